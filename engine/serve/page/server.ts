// Talking to the server: what it says, and since when it says nothing.

class Refusal extends Error {
  constructor(readonly status: number, readonly code: string, message: string,
              readonly more: any = {}) { super(message); }
}

const kTokenKey = "ordeal.token";

const server = {
  heard: 0,           // performance.now() of the last answer of the overview; 0: never
  skew: 0,            // server's clock minus ours, ms
  health: null as any,
  halt: null as any,  // {halted, reason}; null: not known

  now(): number { return Date.now() + this.skew; },
  silent(): number { return this.heard === 0 ? 0 : performance.now() - this.heard; },
  isStale(): boolean { return this.heard === 0 || this.silent() > 6000; },

  token(): string {
    return sessionStorage.getItem(kTokenKey) || localStorage.getItem(kTokenKey) || "";
  },
  setToken(token: string, remember: boolean): void {
    sessionStorage.removeItem(kTokenKey);
    localStorage.removeItem(kTokenKey);
    if (token) (remember ? localStorage : sessionStorage).setItem(kTokenKey, token);
  },

  async get(path: string): Promise<any> { return this.ask("GET", path); },

  async ask(method: string, path: string, body?: unknown, patience = 10000): Promise<any> {
    const headers: { [name: string]: string } = {};
    if (method !== "GET") headers["Authorization"] = `Bearer ${this.token()}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), patience);
    let answer: Response;
    try {
      answer = await fetch(`/api/v1/${path}`, {
        method, headers, signal: stop.signal, cache: "no-store",
        body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (problem) {
      throw new Refusal(0, "no_answer", "The server does not answer. Whether it did anything is "
          + "not known: look at what is shown once it answers again.");
    } finally {
      clearTimeout(timer);
    }
    const text = await answer.text();
    let value: any = {};
    try {
      value = text ? JSON.parse(text) : {};
    } catch (problem) {
      throw new Refusal(answer.status, "no_json", "The answer cannot be read.");
    }
    if (!answer.ok) {
      const error = value.error || {};
      throw new Refusal(answer.status, error.code || "failed", error.message || answer.statusText,
                        error);
    }
    return value;
  },
};

// The events of one run, in order, each once. The browser takes a broken stream up again behind
// the last event that it has (Last-Event-ID).
class EventFeed {
  private source: EventSource | null = null;
  private closed = false;
  heard = performance.now();
  state: "open" | "connecting" | "over" | "unfinished" = "connecting";

  constructor(readonly run: string, readonly after: () => number,
              readonly take: (events: RunEvent[]) => void, readonly changed: () => void) {
    this.open();
  }

  close(): void {
    this.closed = true;
    this.drop();
  }

  private drop(): void {
    this.source?.close();
    this.source = null;
  }

  // A stream that is open and silent is broken: the server gives a sign of life every two seconds.
  check(): void {
    if (this.source && performance.now() - this.heard > 8000) {
      this.heard = performance.now();
      this.drop();
      this.state = "connecting";
      this.changed();
      this.open();
    }
  }

  private open(): void {
    const source = new EventSource(`/api/v1/runs/${this.run}/events?after=${this.after()}`);
    this.source = source;
    let waiting: RunEvent[] = [];
    const flush = () => {
      const events = waiting;
      waiting = [];
      this.take(events);
    };
    const alive = () => {
      this.heard = performance.now();
      if (this.state !== "open") {
        this.state = "open";
        this.changed();
      }
    };
    source.onopen = alive;
    source.onmessage = message => {
      alive();
      if (waiting.length === 0) setTimeout(flush, 0);  // a whole past run comes at once
      waiting.push(JSON.parse(message.data));
    };
    source.addEventListener("alive", alive);
    const over = (state: "over" | "unfinished") => () => {
      flush();
      this.close();
      this.state = state;
      this.changed();
    };
    source.addEventListener("end", over("over"));
    source.addEventListener("unfinished", over("unfinished"));
    source.onerror = () => {
      this.state = "connecting";
      this.changed();
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        // The server refused or is being restarted; the browser gives up, we do not.
        this.source = null;
        setTimeout(() => { if (!this.source && !this.closed) this.open(); }, 2000);
      }
    };
  }
}
