// A new run: the text, its mistakes at their lines, the plan, and only then the start.

const kLineHeight = 12.5 * 1.55;

function submitView(): View {
  const text = el("textarea", { id: "experiment", spellcheck: "false", autocomplete: "off",
                                "aria-describedby": "problems" });
  const numbers = el("div", { class: "numbers", "aria-hidden": "true" });
  const file = el("input", { type: "file", id: "file", accept: ".yaml,.yml,text/yaml" });
  const vars = el("textarea", { id: "vars", rows: "2", spellcheck: "false",
                                placeholder: "url=http://127.0.0.1:8080/" });
  const mode = el("select", { id: "mode" }, el("option", { value: "run" }, "run: inject"),
                  el("option", { value: "baseline-only" }, "baseline only: measure, inject nothing"),
                  el("option", { value: "control" }, "control: the whole run with zero magnitudes"));
  const problems = el("div", { id: "problems", role: "status" });
  const outcome = el("div", { class: "stack" });
  const check = el("button", { type: "button" }, "Check");
  const show = el("button", { type: "button", class: "primary" }, "Show the plan");
  let name = "experiment.yaml";
  let wrong = new Map<number, string>();
  let planned = "";  // the body whose plan is shown: only that may be started

  const body = (): any => {
    const given: { [name: string]: string } = {};
    for (const line of vars.value.split("\n")) {
      const equals = line.indexOf("=");
      if (equals > 0) given[line.slice(0, equals).trim()] = line.slice(equals + 1).trim();
    }
    return { experiment: text.value, file: name, vars: given, mode: mode.value };
  };
  const drawNumbers = () => {
    const count = text.value.split("\n").length;
    fill(numbers, [count, [...wrong.keys()]], () => Array.from({ length: count }, (_, index) => {
      const line = index + 1;
      return el("div", {}, wrong.has(line)
          ? el("span", { class: "wrong", title: wrong.get(line) as string }, String(line)) : String(line));
    }));
    numbers.scrollTop = text.scrollTop;
  };
  const changed = () => {
    wrong = new Map();
    drawNumbers();
    if (planned && planned !== JSON.stringify(body())) {
      planned = "";
      outcome.replaceChildren();
    }
  };
  const goTo = (line: number, column: number) => {
    const before = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(before + Math.max(0, column - 1), before + Math.max(0, column - 1));
    text.scrollTop = Math.max(0, (line - 6) * kLineHeight);
  };
  const showProblems = (list: any[], warnings: any[] = []) => {
    wrong = new Map(list.filter(one => one.line > 0).map(one => [one.line, one.text]));
    drawNumbers();
    problems.replaceChildren();
    if (!list.length && !warnings.length) return;
    const item = (one: any, word: string, tone: string) => el("li", {}, el("button", {
      type: "button", click: () => goTo(one.line, one.column) },
      el("span", { class: `word ${tone}` }, one.line ? `${word} line ${one.line}, column ${one.column}: `
          : `${word}: `), one.text));
    problems.append(el("ul", { class: "problems" }, ...list.map(one => item(one, "error,", "bad")),
                       ...warnings.map(one => item(one, "warning,", "warn"))));
  };
  const say = (message: string, bad = false) => {
    problems.replaceChildren(el("p", { class: bad ? "refused" : "muted" }, message));
  };
  const guarded = async (button: HTMLButtonElement, act: () => Promise<void>) => {
    if (!text.value.trim()) {
      say("Paste an experiment or choose a file first.", true);
      text.focus();
      return;
    }
    button.disabled = true;
    try {
      await withToken(act);
    } catch (refused) {
      if (refused instanceof Refusal && refused.code === "invalid") showProblems(refused.more.problems);
      else say(refused instanceof Error ? refused.message : String(refused), true);
    } finally {
      button.disabled = false;
    }
  };
  check.addEventListener("click", () => guarded(check, async () => {
    const checked = await server.ask("POST", "validate", body());
    if (!checked.problems.length) {
      const one = checked.experiment;
      say(`No mistakes: ${one.name}, ${plural(one.steps, "step")}, ends after `
          + `${seconds(one.earliest_end_us)} at the earliest.`);
    }
    if (checked.problems.length || checked.warnings.length) {
      showProblems(checked.problems, checked.warnings);
    }
  }));
  show.addEventListener("click", () => guarded(show, async () => {
    say("Planning: nothing is touched ...");
    const sent = body();
    const plan = await server.ask("POST", "plan", sent, 90000);
    showProblems([]);
    planned = JSON.stringify(sent);
    outcome.replaceChildren(planCard(plan, sent));
    outcome.scrollIntoView({ block: "start" });
  }));
  file.addEventListener("change", async () => {
    const chosen = file.files?.[0];
    if (!chosen) return;
    text.value = await chosen.text();
    name = chosen.name.replace(/[^A-Za-z0-9._-]/g, "_").replace(/^[.-]+/, "").slice(0, 80)
        || "experiment.yaml";
    changed();
  });
  text.addEventListener("input", changed);
  text.addEventListener("scroll", () => { numbers.scrollTop = text.scrollTop; });
  vars.addEventListener("input", changed);
  mode.addEventListener("change", changed);
  drawNumbers();
  const element = el("div", { class: "stack" },
      el("section", { class: "card stack" }, el("h2", {}, "Experiment"),
         el("div", {}, el("label", { for: "file" }, "File"), file),
         el("div", {}, el("label", { for: "experiment" }, "or its text (YAML)"),
            el("div", { class: "editor" }, numbers, text)),
         problems,
         el("div", { class: "columns" },
            el("div", {}, el("label", { for: "vars" }, "Variables, NAME=VALUE, one a line"), vars),
            el("div", {}, el("label", { for: "mode" }, "Mode"), mode)),
         el("div", { class: "line" }, check, show)),
      outcome);
  return { name: "new", element };
}

function planCard(plan: any, body: any): HTMLElement {
  const danger = plan.experiment.without_net as string;
  const consent = el("input", { type: "checkbox", id: "consent" });
  const problem = el("p", { class: "refused", role: "alert" });
  const start = el("button", { type: "button", class: "primary" },
                   body.mode === "run" ? "Start this run" : `Start: ${body.mode}`);
  start.addEventListener("click", async () => {
    setText(problem, "");
    if (danger && !consent.checked) {
      setText(problem, "This runs without a net: say yes to that first.");
      consent.focus();
      return;
    }
    start.disabled = true;
    try {
      // With the seed of the plan, so that what was shown is what is picked.
      await withToken(async () => {
        const begun = await server.ask("POST", "runs",
            { ...body, seed: plan.seed, yes: consent.checked }, 30000);
        location.hash = `#/run/${begun.run}`;
      });
    } catch (refused) {
      setText(problem, refused instanceof Error ? refused.message : String(refused));
    } finally {
      start.disabled = false;
    }
  });
  const stepBlock = (step: any) => el("div", { class: "step" },
      el("div", { class: "line" }, el("h3", {}, step.name || step.step), badge(step.fault),
         badge(step.host), el("span", { class: "muted small" },
             `${at(step.start)} for ${seconds(step.duration)}`)),
      ...step.summary.map((line: string) => el("p", {}, line)),
      ...step.warnings.map((line: string) => el("p", {}, el("span", { class: "word warn" }, "note "), line)),
      step.undoable ? null : el("p", { class: "refused" }, "NOT UNDOABLE (restore: none)"),
      step.targets.length ? el("details", { open: step.targets.length <= 5 },
          el("summary", {}, `${plural(step.targets.length, "target")} of ${step.matched} that match`),
          ...step.targets.map((one: any) => el("p", { class: "small" }, one.text))) : null,
      el("details", {}, el("summary", {}, `${plural(step.changes.length, "change")} and how each is undone`),
         ...step.changes.map((line: string) => el("p", { class: "small" }, line)),
         ...step.undos.map((line: string) => el("pre", {}, line))));
  return el("section", { class: "card stack" }, el("h2", {}, "Plan: nothing has been touched"),
      el("div", { class: "line" },
         plan.would_run ? badge("WOULD RUN", "good", true) : badge("WOULD BE REFUSED", "warn", true),
         el("h1", {}, plan.experiment.name)),
      plan.reason ? el("p", { class: "refused" }, plan.reason) : null,
      plan.plan ? el("p", { class: "muted" }, `baseline ${seconds(plan.plan.baseline)}, method `
          + `${seconds(plan.plan.method)}, recovery up to ${seconds(plan.plan.recovery_within)}; `
          + `seed ${plan.seed}`) : null,
      plan.plan ? el("div", {}, ...plan.plan.steps.map(stepBlock)) : null,
      plan.plan?.limits.length ? el("p", { class: "muted small" },
          `limits: ${plan.plan.limits.join(" · ")}`) : null,
      ...(plan.plan?.unchecked || []).map((line: string) => el("p", { class: "small" },
          el("span", { class: "word warn" }, "not checked "), line)),
      danger ? el("label", { class: "check" }, consent, `Run it although ${danger}`) : null,
      problem,
      el("div", { class: "line" }, plan.would_run || body.mode !== "run" ? start : null));
}
