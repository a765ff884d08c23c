// The frame: which view is shown, what the server says, and since when it says nothing.

let view: View | null = null;

const places = {
  view: document.getElementById("view") as HTMLElement,
  host: document.getElementById("host") as HTMLElement,
  link: document.getElementById("link") as HTMLElement,
  stale: document.getElementById("stale") as HTMLElement,
  halted: document.getElementById("halted") as HTMLElement,
  halt: document.getElementById("halt") as HTMLButtonElement,
};

function route(): void {
  const parts = location.hash.replace(/^#\/?/, "").split("/");
  view?.leave?.();
  document.title = "ordeal";
  if (parts[0] === "run" && /^r-[0-9]{4}-[0-9]{4}-[0-9a-f]{4}$/.test(parts[1] || "")) {
    view = new RunView(parts[1]);
  } else if (parts[0] === "schedule") view = scheduleView();
  else if (parts[0] === "new") view = submitView();
  else if (parts[0] === "host") view = hostView();
  else view = runsView();
  places.view.replaceChildren(view.element);
  for (const link of document.querySelectorAll<HTMLElement>("nav a")) {
    if (link.dataset.view === view.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  refresh();
}

// What every view shows, and what this one does. One at a time: a slow answer must not overtake.
let refreshing: Promise<void> | null = null;
function refresh(): Promise<void> {
  refreshing = refreshing || refreshNow().finally(() => { refreshing = null; });
  return refreshing;
}

async function refreshNow(): Promise<void> {
  try {
    const [health, halt] = await Promise.all([server.get("health"), server.get("halt")]);
    server.health = health;
    server.halt = halt;
    server.skew = Date.parse(health.now) - Date.now();
    await view?.refresh?.();
    server.heard = performance.now();
    server.refused = false;
  } catch (problem) {
    // It shows by its age; what is on the page stays, and is said to be old.
    server.refused = problem instanceof Refusal && problem.code === "token_required";
    if (server.refused && !asked_for_token) {
      asked_for_token = true;
      wantToken();
    }
  }
  showState();
}

function showState(): void {
  const stale = server.isStale();
  const age = Math.round(server.silent() / 1000);
  places.link.className = `link ${stale || server.refused ? "lost" : "live"}`;
  fill(places.link, [server.refused, stale, server.heard > 0, stale ? age : 0], () => [
    server.refused ? el("button", { type: "button", id: "give-token", click: () => { wantToken(); } },
                        "Give the token")
      : stale ? (server.heard ? `no answer for ${age} s` : "connecting ...") : "live"]);
  document.body.classList.toggle("stale-view", stale && server.heard > 0);
  places.stale.hidden = !(stale && server.heard > 0);
  if (!places.stale.hidden) {
    // Said once, not every second: a screen reader would read it each time.
    const since = clockTime(Date.now() - server.silent());
    setText(places.stale, `The server has not answered since ${since}. What you see is from then, and `
        + "may be wrong now. On the host: ordeal status, ordeal halt");
  }
  setText(places.host, server.health?.host || "");
  const halted = server.halt?.halted === true;
  places.halted.hidden = !halted;
  places.halt.hidden = halted;
  fill(places.halted, [halted, server.halt?.reason, stale], () => halted ? [
    el("p", {}, el("b", {}, stale ? "HALTED when last heard: " : "HALTED: "), server.halt.reason,
       ". Nothing is injected, and nothing starts."),
    el("button", { type: "button", id: "lift", click: askLift }, "Lift the halt")] : []);
}

places.halt.addEventListener("click", askHalt);
window.addEventListener("hashchange", () => {
  route();
  places.view.focus();
  scrollTo(0, 0);
});
setInterval(refresh, 2000);
setInterval(() => {
  view?.tick?.();
  showState();
}, 250);
route();
