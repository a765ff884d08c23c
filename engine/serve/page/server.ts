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
  refused: false,     // it wants a token, and what we have is none or not the right one

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
    if (this.token()) headers["Authorization"] = `Bearer ${this.token()}`;
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

// The events of one run, in order, each once. A stream that broke is taken up again behind the last
// event that we have. Read by fetch: an EventSource sends no token.
class EventFeed {
  private source: AbortController | null = null;
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
    this.source?.abort();
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
    const source = new AbortController();
    this.source = source;
    this.read(source).catch(() => {}).then(() => {
      if (this.source !== source) return;  // closed, or another one has taken its place
      this.source = null;
      this.state = "connecting";
      this.changed();
      setTimeout(() => { if (!this.source && !this.closed) this.open(); }, 1000);
    });
  }

  // Until the stream ends or breaks.
  private async read(source: AbortController): Promise<void> {
    const answer = await fetch(`/api/v1/runs/${this.run}/events?after=${this.after()}`, {
      headers: { "Authorization": `Bearer ${server.token()}` }, signal: source.signal,
      cache: "no-store" });
    if (!answer.ok || !answer.body) {
      if (answer.status === 401) server.refused = true;
      return;
    }
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const piece = await reader.read();
      if (piece.done || this.source !== source) return;
      const frames = (rest + decoder.decode(piece.value, { stream: true })).split("\n\n");
      rest = frames.pop() || "";
      this.heard = performance.now();
      if (this.state !== "open") {
        this.state = "open";
        this.changed();
      }
      if (this.take_frames(frames)) return;
    }
  }

  // True: it was the last one.
  private take_frames(frames: string[]): boolean {
    const events: RunEvent[] = [];
    let ended: "over" | "unfinished" | null = null;
    for (const frame of frames) {
      const fields: { [name: string]: string } = {};
      for (const line of frame.split("\n")) {
        const colon = line.indexOf(": ");
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (fields["event"] === "end") ended = "over";
      else if (fields["event"] === "unfinished") ended = "unfinished";
      else if (!fields["event"] && fields["data"]) events.push(JSON.parse(fields["data"]));
    }
    if (events.length > 0) this.take(events);
    if (!ended) return false;
    this.close();
    this.state = ended;
    this.changed();
    return true;
  }
}
