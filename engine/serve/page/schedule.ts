// Schedules, what they will do, and what became of what they did.

function scheduleView(): View {
  const schedules = el("div");
  const firings = el("div");
  const fired = el("div");
  const element = el("div", { class: "stack" }, card("Schedules", schedules),
      el("div", { class: "columns" }, card("What became of past firings", fired),
         card("Next firings", firings)));
  const resume = (name: string) => askFor({
    title: `Resume ${name}`,
    text: ["It was paused by how its runs ended. It fires again from now on."],
    action: "Resume",
    act: async () => {
      await server.ask("POST", `schedules/${encodeURIComponent(name)}/resume`, {});
      await refresh();
    },
  });
  const scheduleRow = (one: any) => el("tr", {},
      el("td", {}, el("b", {}, one.name)),
      el("td", { "data-name": "runs" }, fileName(one.experiment),
         one.leashed ? " (leashed: plans only)" : ""),
      el("td", { "data-name": "fires" }, one.trigger
         + (one.windows.length ? ` in ${one.windows.join(", ")}` : "")),
      el("td", { "data-name": "zone" }, one.time_zone),
      el("td", { "data-name": "next" }, one.next ? one.next.local : "never"),
      el("td", { class: "fit" }, one.paused
          ? el("span", {}, el("span", { class: "word warn" }, `${one.paused} `),
               el("button", { type: "button", "data-key": `resume ${one.name}`,
                              click: () => resume(one.name) }, "Resume")) : ""));
  const firedRow = (one: any) => {
    const tone = one.exit_name ? exitTone(one.exit_name)
        : ["skipped", "missed"].includes(one.state) ? "warn" : "live";
    const word = badge(one.exit_name ? exitWord(one.exit_name) : one.state.toUpperCase(), tone);
    const inner = [word, el("span", { class: "name" }, one.schedule),
                   el("span", { class: "when muted small" }, clockTime(Date.parse(one.due))),
                   el("span", { class: "why muted small" }, one.reason)];
    return el("li", {}, one.run
        ? el("a", { class: "row", href: `#/run/${one.run}`, "data-key": one.run }, ...inner)
        : el("div", { class: "row" }, ...inner));
  };
  return {
    name: "schedule", element,
    refresh: async () => {
      const [all, next, past] = await Promise.all([server.get("schedules"),
          server.get("firings?days=90&limit=12"), server.get("firings/past?limit=50")]);
      fill(schedules, all, () => all.schedules.length
          ? [el("table", { class: "fold" },
                el("thead", {}, el("tr", {}, ...["Name", "Runs", "Fires", "Zone", "Next", ""].map(
                    name => el("th", {}, name)))),
                el("tbody", {}, ...all.schedules.map(scheduleRow)))]
          : [el("p", { class: "empty" }, "This server has no schedule file: ",
                el("code", {}, "ordeal serve --schedule FILE"))]);
      const minute = Math.floor(server.now() / 30000);
      fill(firings, [next, minute], () => next.firings.length
          ? [el("ul", { class: "rows" }, ...next.firings.map(firingRow))]
          : [el("p", { class: "empty" }, "None within 90 days.")]);
      fill(fired, past, () => past.firings.length
          ? [el("ul", { class: "rows" }, ...past.firings.map(firedRow))]
          : [el("p", { class: "empty" }, "Nothing has fired yet.")]);
    },
  };
}
