// One run, live or past: the same fold over the same events.

const kPhases = ["plan", "baseline", "inject", "fault", "revert", "recovery", "judge"];
const kLists: [string, string, string[]][] = [
  ["Well while faulty", "during", ["during"]],
  ["Steady state", "steady_state", ["steady_state"]],
  ["Expected", "expect", ["expect", "wait"]],
  ["Aborts when", "abort_if", ["abort_if"]],
];

class RunView implements View {
  readonly name = "runs";
  readonly element: HTMLElement;
  private readonly fold = new RunFold();
  private readonly charts = new Charts(this.fold);
  private readonly feed: EventFeed;
  private readonly headline = el("div", { class: "line" });
  private readonly about = el("div");
  private readonly clock = el("p", { class: "clock" });
  private readonly phases = el("ol", { class: "phases" });
  private readonly trouble = el("div", { class: "trouble" });
  private readonly actions = el("div", { class: "line actions" });
  private readonly legend = el("div", { class: "legend" });
  private readonly chartCard: HTMLElement;
  private readonly conditions = el("div", { class: "stack" });
  private readonly faults = el("div");
  private readonly hosts = el("div");
  private readonly events = el("ul", { class: "events tall", tabindex: "0",
                                       "aria-label": "Events, newest first" });
  private drawn = -1;
  private drawnAt = 0;

  constructor(readonly run: string) {
    this.chartCard = card("Service", this.charts.element, this.legend);
    this.element = el("div", { class: "stack" },
        el("section", { class: "card" }, this.headline, this.about, this.phases, this.clock,
           this.trouble, this.actions),
        this.chartCard,
        el("div", { class: "columns" },
           el("div", { class: "stack" }, this.conditions, card("Faults", this.faults)),
           el("div", { class: "stack" }, card("Events", this.events), card("Hosts", this.hosts))));
    this.clock.setAttribute("aria-live", "off");
    this.feed = new EventFeed(run, () => this.fold.lastSeq,
        events => { for (const event of events) this.fold.apply(event); },
        () => { this.drawn = -1; });
    this.show();
  }

  leave(): void { this.feed.close(); }

  tick(): void {
    this.feed.check();
    const due = this.fold.lastSeq !== this.drawn
        && performance.now() - this.drawnAt > (this.fold.verdict ? 0 : 240);
    if (due) this.show();
    this.showClock();
  }

  private isOver(): boolean { return this.fold.verdict !== null || this.feed.state === "unfinished"; }
  private isStale(): boolean { return !this.isOver() && this.feed.state !== "open"; }

  private show(): void {
    this.drawn = this.fold.lastSeq;
    this.drawnAt = performance.now();
    const fold = this.fold;
    document.title = `${fold.about?.name || this.run} · ordeal`;
    this.showHead();
    fill(this.phases, [fold.phases.map(one => one.phase), fold.abort !== null, this.isOver()],
         () => this.phaseItems());
    this.chartCard.hidden = fold.series.size === 0;
    if (fold.series.size) this.charts.update();
    fill(this.legend, [...fold.bands().map(band => band.name)], () => this.legendItems());
    fill(this.conditions, fold.conditions, () => this.conditionCards());
    fill(this.faults, [[...fold.steps.values()], this.feed.state], () => this.faultRows());
    fill(this.hosts, [[...fold.hosts], [...fold.steps.values()].map(
        step => [step.host, step.injecting, step.reverted]), this.feed.state],
         () => this.hostRows());
    fill(this.events, [fold.lines.length, this.feed.state], () => fold.lines.slice().reverse()
        .slice(0, 300).map(line => el("li", {}, el("span", { class: "at" }, at(line.at)),
                                      el("span", { class: line.level }, line.text))));
  }

  private showHead(): void {
    const fold = this.fold;
    const about = fold.about;
    const last = fold.phase();
    const word = fold.verdict ? [exitWord(fold.verdict.exit_name), exitTone(fold.verdict.exit_name)]
        : this.feed.state === "unfinished" ? ["UNFINISHED", "warn"]
        : fold.abort ? ["PUTTING BACK", "bad"]
        : last ? [last.phase.toUpperCase(), "live"] : ["...", ""];
    fill(this.headline, [word, about?.name, this.isStale()], () => [
      badge(word[0], word[1], true), el("h1", { class: "grow" }, about?.name || this.run),
      this.isStale() ? badge("last known state", "warn") : null]);
    fill(this.about, [about !== null], () => about === null
        ? [el("p", { class: "empty" }, "Reading its events ...")]
        : [el("p", {}, about.hypothesis || ""),
           el("p", { class: "muted small" }, [this.run, `seed ${about.seed}`, about.user,
               about.host, clockTime(about.wall / 1000), fileName(about.file),
               about.mode === "run" ? "" : about.mode].filter(Boolean).join(" · "))]);
    fill(this.trouble, [fold.verdict, fold.abort?.text, fold.refused?.text, this.feed.state, fold.lost],
         () => this.troubleLines());
    fill(this.actions, [this.isOver(), fold.verdict !== null], () => this.isOver()
        ? [el("button", { type: "button", "data-key": "report",
                          click: () => { openReport(this.run); } }, "Full report")]
        : [el("button", { type: "button", class: "danger", "data-key": "abort",
                          click: () => askAbort(this.run, about?.name || "") }, "Abort this run")]);
  }

  private troubleLines(): Child[] {
    const fold = this.fold;
    const out: Child[] = [];
    if (fold.verdict?.reason) out.push(el("p", {}, fold.verdict.reason));
    if (fold.verdict) {
      const host = fold.verdict.host === "clean" ? "Host clean."
          : fold.verdict.host === "dirty" ? "HOST NOT CLEAN: sudo ordeal status" : "Host untouched.";
      const service = fold.verdict.service === "recovered" ? "Service recovered."
          : fold.verdict.service === "not_recovered" ? "Service NOT recovered." : "";
      out.push(el("p", { class: fold.verdict.host === "dirty" ? "refused" : "muted" },
                  `${host} ${service}`));
    } else if (fold.abort) {
      out.push(el("p", { class: "refused" }, `${fold.stopWord()}: ${fold.abort.text}`));
    }
    if (this.feed.state === "unfinished") {
      out.push(el("p", { class: "refused" }, "The process of this run ended without a verdict. Its "
          + "executor puts everything back; what is left, if anything, says: sudo ordeal status"));
    }
    if (fold.lost) out.push(el("p", { class: "refused" }, "Events are missing: this view is not complete."));
    return out;
  }

  private phaseItems(): Child[] {
    const now = this.fold.phase()?.phase;
    const seen = new Set(this.fold.phases.map(one => one.phase));
    return kPhases.map(name => {
      const current = name === now && !this.isOver();
      const tone = current ? `now ${name}` : seen.has(name) ? "done" : "";
      const crossed = name === "fault" && this.fold.abort !== null && !this.fold.wasStopped();
      return el("li", { class: crossed ? `${tone} bad` : tone,
                        "aria-current": current ? "step" : false }, name);
    });
  }

  // Counts on between two events by our own clock, but never without the server.
  private showClock(): void {
    const fold = this.fold;
    const last = fold.phase();
    this.clock.hidden = this.isOver() || last === null;
    if (last === null) return;
    if (this.isStale() || server.isStale()) {
      setText(this.clock, `last known: ${last.phase}, ${at(fold.now)} into the run`);
      return;
    }
    const now = Math.max(fold.now, (server.now() - fold.about.wall / 1000) * 1000);
    const inPhase = now - last.from;
    const left = last.planned - inPhase;
    setText(this.clock, last.planned > 0
        ? `${last.phase} ${seconds(inPhase)} of ${seconds(last.planned)}, `
          + (left > 0 ? `${seconds(left)} left` : "about to end")
        : `${last.phase} for ${seconds(inPhase)}`);
  }

  private legendItems(): Child[] {
    const names = this.fold.bands().map(band => band.name);
    return [...names.map((name, index) => el("span", {}, el("i", { class: `c${index % 4}` }), name)),
            el("span", {}, el("i", { class: "dash" }), "bound"),
            el("span", {}, el("i", { class: "gap" }), "no data")];
  }

  private conditionCards(): Child[] {
    return kLists.map(([title, , lists]) => {
      const rows = this.fold.conditions.filter(one => lists.includes(one.list));
      if (!rows.length) return null;
      const aborts = lists.includes("abort_if");
      return card(title, el("table", { class: "fold" },
          el("thead", {}, el("tr", {}, el("th", {}, ""), el("th", {}, "Condition"),
             el("th", {}, "Measured"), el("th", {}, aborts ? "Nearest" : "Bound"))),
          el("tbody", {}, ...rows.map(row => this.conditionRow(row, aborts)))));
    });
  }

  private conditionRow(row: Condition, aborts: boolean): HTMLElement {
    const latest = row.latest;
    const truth = latest?.truth || "unknown";
    const bad = aborts ? truth === "holds" : truth === "broken";
    const good = aborts ? truth === "broken" : truth === "holds";
    const word = !latest ? "--" : bad ? (aborts ? "REACHED" : "BROKEN") : good ? (aborts ? "far" : "ok")
                                                                           : "unknown";
    return el("tr", {},
        el("td", { class: "fit" }, el("span", {
          class: `word ${!latest ? "plain" : bad ? "bad" : good ? "good" : "warn"}` }, word)),
        el("td", {}, row.text),
        el("td", { class: "fit", "data-name": "measured" }, latest?.measured_text || ""),
        el("td", { "data-name": aborts ? "nearest" : "bound" },
           aborts ? latest?.nearest_text || "" : latest?.bound_text || latest?.problem || ""));
  }

  private faultRows(): Child[] {
    const steps = [...this.fold.steps.values()];
    if (!steps.length) return [el("p", { class: "empty" }, "None is planned yet.")];
    return [el("table", { class: "fold" },
        el("thead", {}, el("tr", {}, el("th", {}, "Fault"), el("th", {}, "Host"), el("th", {}, "State"),
                           el("th", {}, "Seen"))),
        el("tbody", {}, ...steps.map(step => {
          const active = step.injecting !== null && step.reverted === null;
          return el("tr", {},
              el("td", {}, step.name, step.undoable ? null
                  : el("span", { class: "word bad" }, " NOT UNDOABLE")),
              el("td", { class: "fit", "data-name": "host" }, step.host),
              el("td", { class: "fit" }, el("span", {
                class: `word ${step.problem ? "bad" : active ? "warn" : step.reverted !== null ? "good"
                    : "plain"}` }, step.problem ? step.state.replace("_", " ") : active ? this.inForce()
                    : step.reverted !== null ? "put back" : "planned")),
              el("td", { class: "small" }, step.problem || step.text,
                 step.problem && step.undos.length
                     ? el("pre", {}, `by hand: ${step.undos.join("\n")}`) : null));
        })))];
  }

  // Of a fault that was not seen to be put back.
  private inForce(): string {
    return this.feed.state === "unfinished" ? "not known to be put back" : "in force";
  }

  private hostRows(): Child[] {
    const names = new Set([...this.fold.steps.values()].map(step => step.host));
    for (const name of this.fold.hosts.keys()) names.add(name);
    if (!names.size) return [el("p", { class: "empty" }, "None yet.")];
    return [...names].map(name => {
      const checked = this.fold.hosts.get(name);
      const active = [...this.fold.steps.values()].filter(
          step => step.host === name && step.injecting !== null && step.reverted === null).length;
      const word = active ? badge(`${plural(active, "fault")} ${this.inForce()}`, "warn")
          : checked ? badge(checked.clean ? "clean" : "NOT CLEAN", checked.clean ? "good" : "bad")
          : badge(this.fold.touched() ? "not checked yet" : "untouched");
      return el("div", { class: "step" }, el("div", { class: "line" }, el("h3", {}, name), word),
          checked?.lost ? el("p", { class: "refused small" }, `executor lost: ${checked.lost}`) : null,
          ...(checked?.residue || []).map((item: any) => el("div", { class: "small" },
              el("p", { class: "refused" }, `left: ${item.what}`), el("pre", {}, item.command))),
          ...(checked?.changed_by_others || []).map((text: string) =>
              el("p", { class: "muted small" }, `changed by others: ${text}`)));
    });
  }
}
