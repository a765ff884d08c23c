// Questions that must be answered before something changes. Native dialogs: Escape closes them,
// the focus stays inside and goes back afterwards.

interface Question {
  title: string;
  text: string[];
  action: string;
  danger?: boolean;
  reason?: "required" | "optional";
  act: (reason: string) => Promise<void>;
}

function openDialog(content: (close: () => void) => HTMLFormElement): HTMLDialogElement {
  const dialog = el("dialog");
  const close = () => { dialog.close(); };
  dialog.append(content(close));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function askFor(question: Question): void {
  const input = el("input", { type: "text", id: "reason", maxlength: "900", autocomplete: "off",
                              required: question.reason === "required" });
  const problem = el("p", { class: "refused", role: "alert" });
  const action = el("button", { type: "submit", class: question.danger ? "danger" : "primary" },
                    question.action);
  openDialog(close => {
    const submit = async (event: Event) => {
      event.preventDefault();
      if (question.reason === "required" && !input.value.trim()) {
        setText(problem, "A reason is needed: others will ask.");
        input.focus();
        return;
      }
      action.disabled = true;
      setText(problem, "");
      try {
        await withToken(() => question.act(input.value.trim()));
        close();
      } catch (refused) {
        setText(problem, refused instanceof Error ? refused.message : String(refused));
      } finally {
        action.disabled = false;
      }
    };
    return el("form", { method: "dialog", submit },
              el("h1", {}, question.title),
              ...question.text.filter(Boolean).map(line => el("p", {}, line)),
              question.reason ? el("div", {},
                  el("label", { for: "reason" },
                     question.reason === "required" ? "Reason" : "Reason (may stay empty)"),
                  input) : null,
              problem,
              el("div", { class: "line" },
                 el("button", { type: "button", click: close }, "Cancel"), action));
  });
  if (question.reason) input.focus();
}

// Does it; when the token is missing or wrong asks for it and does it again.
async function withToken(act: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await act();
    } catch (refused) {
      if (!(refused instanceof Refusal) || refused.code !== "token_required") throw refused;
    }
    const wrong = server.token() !== "";
    server.setToken("", false);
    if (!await askToken(wrong)) {
      throw new Error(wrong ? "Not done: the token is not right." : "Not done: this needs the token.");
    }
  }
}

function askToken(wrong: boolean): Promise<boolean> {
  return new Promise(resolve => {
    const input = el("input", { type: "password", id: "token", autocomplete: "off",
                                required: true, spellcheck: "false" });
    const remember = el("input", { type: "checkbox", id: "remember" });
    let given = false;
    const dialog = openDialog(close => {
      const submit = (event: Event) => {
        event.preventDefault();
        if (!input.value.trim()) return;
        server.setToken(input.value.trim(), remember.checked);
        given = true;
        close();
      };
      return el("form", { method: "dialog", submit },
                el("h1", {}, wrong ? "That was not the token" : "Token"),
                el("p", {}, "This server answers who has its token. On the host, as root (ordeal "
                    + "serve says it when it starts, if it is another file):"),
                el("pre", {}, `cat ${server.health?.token_file || "/var/lib/ordeal/serve.token"}`),
                el("div", {}, el("label", { for: "token" }, "Token"), input),
                el("label", { class: "check" }, remember, "Remember it in this browser"),
                el("div", { class: "line" },
                   el("button", { type: "button", click: close }, "Cancel"),
                   el("button", { type: "submit", class: "primary" }, "Go on")));
    });
    input.focus();
    dialog.addEventListener("close", () => resolve(given));
  });
}

// Asks once; who closes that dialog finds it again behind the word at the top.
let asked_for_token = false;
async function wantToken(): Promise<void> {
  if (document.querySelector("dialog")) return;
  const wrong = server.token() !== "";
  server.setToken("", false);
  if (await askToken(wrong)) {
    await refreshing;  // one that began without it would take the refusal for that of this token
    asked_for_token = false;
    await refresh();
  }
}

// The report stands in a tab of its own, which can send no token: a link that opens it for a while.
async function openReport(run: string): Promise<void> {
  const tab = window.open("about:blank", "_blank");  // now: later it would be an unwanted one
  try {
    const link = await server.ask("POST", `runs/${run}/report.html/link`, {});
    if (tab) {
      tab.opener = null;
      tab.location.replace(link.address);
    } else {
      location.assign(link.address);
    }
  } catch (refused) {
    tab?.close();
    tell("The report cannot be shown", [refused instanceof Error ? refused.message : ""]);
  }
}

function tell(title: string, lines: string[]): void {
  openDialog(close => el("form", { method: "dialog", submit: close }, el("h1", {}, title),
      ...lines.map(line => el("p", {}, line)),
      el("div", { class: "line" }, el("button", { type: "submit", class: "primary" }, "Close"))));
}

function askHalt(): void {
  askFor({
    title: server.health?.inventory ? "Halt all hosts" : "Halt this host",
    text: ["Every fault that is in force is put back now, runs are stopped, and nothing starts "
        + "until the halt is lifted.",
      server.health?.inventory ? `On this host and on every host of ${server.health.inventory}.` : ""],
    action: "Halt now", danger: true, reason: "required",
    act: async reason => {
      const done = await server.ask("POST", "halt", { reason }, 150000);
      await refresh();
      if (!done.clean) {
        tell("Halted, but not clean", ["Nothing is injected here any more, but this is left, or "
            + "not known to be put back. See: sudo ordeal status", ...done.left]);
      }
    },
  });
}

function askLift(): void {
  askFor({
    title: "Lift the halt",
    text: [`Halted: ${server.halt?.reason || ""}`, "Runs and schedules may start again."],
    action: "Lift",
    act: async () => {
      const done = await server.ask("DELETE", "halt", undefined, 60000);
      await refresh();
      if (done.left.length) tell("Lifted here, but not everywhere", done.left);
    },
  });
}

function askAbort(run: string, name: string): void {
  askFor({
    title: "Abort this run",
    text: [`${name || run} is stopped, and everything that it changed is put back.`],
    action: "Abort the run", danger: true, reason: "optional",
    act: async reason => { await server.ask("POST", `runs/${run}/abort`, { reason }); },
  });
}
