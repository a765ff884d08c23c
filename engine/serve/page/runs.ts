// The first view: what goes on now, what comes next, what was.

interface View {
  name: string;
  element: HTMLElement;
  refresh?: () => Promise<void>;  // every two seconds, while the view is shown
  tick?: () => void;              // every quarter of a second: clocks
  leave?: () => void;
}

function runLink(run: any): HTMLElement {
  const state = run.state === "running" ? badge(run.phase.toUpperCase() || "RUNNING", "live")
                                        : badge(exitWord(run.exit.name), exitTone(run.exit.name));
  const started = Date.parse(run.started);
  const reason = run.state === "running"
      ? (run.active.length ? `in force: ${run.active.join(", ")}` : "nothing is injected now")
      : run.exit.reason;
  return el("a", { class: "row", href: `#/run/${run.run}`, "data-key": run.run }, state,
            el("span", { class: "name" }, run.name || run.run),
            el("span", { class: "when muted small", title: clockTime(started) },
               run.state === "running" ? `for ${seconds(server.now() - started < 0 ? 0
                   : (server.now() - started) * 1000)}` : ago(started, server.now())),
            el("span", { class: "why muted small" },
               [run.mode === "run" ? "" : run.mode, reason].filter(Boolean).join(" · ")));
}

function firingRow(firing: any): HTMLElement {
  const due = Date.parse(firing.due);
  return el("li", {}, el("div", { class: "row firing" },
      el("span", { class: "name" }, firing.schedule),
      el("span", { class: "when small" }, firing.local.slice(0, 16)),
      el("span", { class: "why muted small" },
         fileName(firing.experiment) + (firing.note ? ` · ${firing.note}` : "")),
      el("span", { class: "ago muted small" }, ago(due, server.now()))));
}

function runsView(): View {
  const now = el("div");
  const past = el("div");
  const next = el("div");
  const element = el("div", { class: "stack" },
      card("Now", now),
      el("div", { class: "columns" }, card("Past runs", past), card("Next firings", next)));
  const list = (items: HTMLElement[]) => el("ul", { class: "rows" }, ...items.map(
      item => item.tagName === "LI" ? item : el("li", {}, item)));
  return {
    name: "runs", element,
    refresh: async () => {
      const [runs, firings] = await Promise.all([
        server.get("runs?limit=50"), server.get("firings?days=90&limit=6")]);
      const running = runs.runs.filter((run: any) => run.state === "running");
      const ended = runs.runs.filter((run: any) => run.state !== "running");
      const second = Math.floor(server.now() / 1000);
      const minute = Math.floor(second / 30);
      fill(now, [running, running.length ? second : 0], () => running.length
          ? [list(running.map(runLink))]
          : [el("p", { class: "empty" }, "No run goes on. ",
                el("a", { href: "#/new" }, "Start one"))]);
      fill(past, [ended, minute], () => ended.length
          ? [list(ended.map(runLink))]
          : [el("p", { class: "empty" }, "None yet.")]);
      fill(next, [firings, minute, second % 60 === 0], () => firings.firings.length
          ? [list(firings.firings.map(firingRow)),
             el("p", { class: "small" }, el("a", { href: "#/schedule" }, "All schedules"))]
          : [el("p", { class: "empty" }, "Nothing is scheduled.")]);
    },
  };
}
