// What this machine can do, and what is left on it.

function hostView(): View {
  const left = el("div");
  const can = el("div");
  const element = el("div", { class: "stack" }, card("Left on this host", left),
                     card("What it can do", can));
  let asked = 0;
  return {
    name: "host", element,
    refresh: async () => {
      if (asked && performance.now() - asked < 10000) return;
      asked = performance.now();
      const host = await server.get("host");
      const active = host.journals.flatMap((journal: any) => journal.steps
          .filter((step: any) => step.live)
          .map((step: any) => `${step.name} (${step.fault}) of run ${journal.run}`));
      fill(left, [host.dirty, host.orphans, active], () => [
        ...active.map((text: string) => el("p", {}, badge("in force", "warn"), ` ${text}`)),
        ...host.dirty.map((text: string) => el("p", {}, badge("LEFT", "bad"), ` ${text}`)),
        host.dirty.length ? el("p", {}, "Mend it with: ", el("code", {}, "sudo ordeal recover")) : null,
        host.dirty.length + active.length === 0
            ? el("p", {}, badge("clean", "good"), " Nothing of ordeal's is on this host.") : null]);
      fill(can, host.capabilities, () => [
        el("p", { class: "muted small" }, `${host.host}, kernel ${host.kernel}`),
        el("table", { class: "fold" }, el("tbody", {}, ...host.capabilities.map((one: any) =>
            el("tr", {},
               el("td", { class: "fit" }, el("span", { class: `word ${one.ok || one.instead ? "good" : "warn"}` },
                                             one.ok ? "ok" : one.instead ? "other" : "no")),
               el("td", { class: "fit" }, el("b", {}, one.name)),
               el("td", {}, one.detail, one.instead ? el("p", {}, `instead: ${one.instead}`) : null,
                  one.ok || !one.mend ? null
                   : el("pre", {}, `mend: ${one.mend}`))))))]);
    },
  };
}
