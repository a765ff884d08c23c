// Elements and words. Text of others reaches the page through textContent alone.

type Child = Node | string | null | false | undefined;

function el<K extends keyof HTMLElementTagNameMap>(
    tag: K, attributes: { [name: string]: string | boolean | ((event: Event) => void) } = {},
    ...children: Child[]): HTMLElementTagNameMap[K] {
  const out = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") out.addEventListener(name, value);
    else if (value === true) out.setAttribute(name, "");
    else if (value !== false) out.setAttribute(name, value);
  }
  append(out, children);
  return out;
}

function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child) parent.append(child);  // a string becomes a text node
  }
}

// Replaces what is in a place when it has changed, and keeps the focus where it was.
function fill(place: Element, key: unknown, make: () => Child[]): void {
  const now = JSON.stringify(key);
  if ((place as HTMLElement).dataset.shown === now) return;
  const active = document.activeElement;
  const held = active instanceof HTMLElement && place.contains(active) ? active.dataset.key : null;
  const scrolled = place.scrollTop;
  place.replaceChildren();
  append(place, make());
  (place as HTMLElement).dataset.shown = now;
  place.scrollTop = scrolled;
  if (held) {
    for (const one of place.querySelectorAll<HTMLElement>("[data-key]")) {
      if (one.dataset.key === held) one.focus();
    }
  }
}

function setText(place: Element, text: string): void {
  if (place.textContent !== text) place.textContent = text;
}

// ---- Words
function seconds(us: number, decimals = 0): string {
  const total = Math.max(0, us) / 1e6;
  if (total < 60) return `${total.toFixed(decimals)} s`;
  const whole = Math.floor(total);
  const clock = `${Math.floor(whole / 60) % 60}:${String(whole % 60).padStart(2, "0")}`;
  return whole < 3600 ? clock
                      : `${Math.floor(whole / 3600)}:${clock.padStart(5, "0")}`;
}

function at(us: number): string {
  const tenths = Math.floor(Math.max(0, us) / 1e5);
  const whole = Math.floor(tenths / 10);
  return `+${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}.${tenths % 10}`;
}

function ago(wall: number, now: number): string {
  const passed = (now - wall) / 1000;
  if (passed < 0) return `in ${span(-passed)}`;
  return passed < 5 ? "just now" : `${span(passed)} ago`;
}

function span(passed: number): string {
  if (passed < 60) return `${Math.round(passed)} s`;
  if (passed < 3600) return `${Math.round(passed / 60)} min`;
  if (passed < 86400 * 2) return `${Math.round(passed / 3600)} h`;
  return `${Math.round(passed / 86400)} days`;
}

function clockTime(wall: number): string {
  return new Date(wall).toLocaleString(undefined, {
    year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit",
    hour12: false });
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// By the stable names of docs/reference/exit-codes.md.
function exitTone(name: string): string {
  if (name === "upheld" || name === "planned") return "good";
  if (["violated", "aborted", "dirty", "not_recovered", "error"].includes(name)) return "bad";
  if (["refused", "unsteady", "inconclusive", "interrupted", "unfinished"].includes(name)) {
    return "warn";
  }
  return "";
}

function exitWord(name: string): string {
  const words: { [name: string]: string } = {
    dirty: "HOST NOT CLEAN", not_recovered: "NOT RECOVERED", unsteady: "NOT STEADY" };
  return words[name] || name.toUpperCase();
}

function badge(text: string, tone = "", big = false): HTMLElement {
  return el("span", { class: `badge ${tone}${big ? " big" : ""}` }, text);
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function card(title: string, ...children: Child[]): HTMLElement {
  return el("section", { class: "card" }, el("h2", {}, title), ...children);
}
