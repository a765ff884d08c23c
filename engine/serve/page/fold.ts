// A run as a fold over its events (docs/reference/events.md), as engine/report/fold.cpp does it.
// Unknown kinds and members are ignored.

interface RunEvent {
  seq: number;
  t_us: number;
  kind: string;
  data: any;
}

interface Span { phase: string; from: number; to: number | null; planned: number; }
interface Step {
  step: string; host: string; name: string; fault: string; state: string; text: string;
  problem: string; seen: string; injecting: number | null; reverted: number | null;
  duration: number; undoable: boolean; undos: string[];
}
interface Condition {
  id: string; list: string; text: string; latest: any | null;
  bad: boolean;  // as last known: broken, or of an abort condition reached
}
interface Line { at: number; level: string; text: string; }

// One second of one SLI.
interface Second {
  attempts: number; good: number; value: number | null; noData: boolean;
  buckets: Map<number, number>;
}
interface Series {
  sli: string; host: string; kind: string; unit: string; request: boolean;
  seconds: Map<number, Second>; last: number;
}

// The middle of a latency bucket, in microseconds.
function bucketMiddle(bucket: number): number {
  if (bucket < 128) return bucket;
  const k = Math.floor((bucket - 128) / 64);
  const i = (bucket - 128) % 64;
  const width = 2 ** (k + 1);
  return (64 + i) * width + width / 2;
}

// The value below which this share of the answers lie, or null without answers.
function quantile(buckets: Map<number, number>, share: number): number | null {
  let total = 0;
  for (const count of buckets.values()) total += count;
  if (total === 0) return null;
  let wanted = Math.max(1, Math.ceil(total * share));
  for (const bucket of [...buckets.keys()].sort((a, b) => a - b)) {
    wanted -= buckets.get(bucket) as number;
    if (wanted <= 0) return bucketMiddle(bucket);
  }
  return null;
}

class RunFold {
  about: any = null;
  plan: any = null;
  phases: Span[] = [];
  steps = new Map<string, Step>();
  conditions: Condition[] = [];
  series = new Map<string, Series>();
  hosts = new Map<string, any>();
  lines: Line[] = [];
  abort: any = null;
  abortLatency: number | null = null;
  recovery: any = null;
  refused: any = null;
  verdict: any = null;
  samples = 0;
  now = 0;
  lastSeq = 0;
  lost = false;

  apply(event: RunEvent): void {
    if (event.seq <= this.lastSeq) return;
    if (event.seq !== this.lastSeq + 1) this.lost = true;
    this.lastSeq = event.seq;
    this.now = Math.max(this.now, event.t_us);
    const data = event.data;
    switch (event.kind) {
      case "run_started": this.onStart(data); break;
      case "plan_made": this.onPlan(data); break;
      case "phase_started": this.onPhase(event.t_us, data); break;
      case "samples": this.onSamples(data); break;
      case "condition": this.onCondition(event.t_us, data); break;
      case "armed":
        this.say(event.t_us, "info", `armed: ${plural(data.conditions, "abort condition")}`);
        break;
      case "step": this.onStep(event.t_us, data); break;
      case "abort":
        this.abort = { ...data, at: event.t_us };
        this.say(event.t_us, this.wasStopped() ? "warning" : "bad", `${this.stopWord()}: ${data.text}`);
        break;
      case "abort_done":
        this.abortLatency = data.latency;
        this.say(event.t_us, "info", `everything is put back, ${(data.latency / 1000).toFixed(1)} ms `
            + "after the decision");
        break;
      case "host_checked": this.onHost(event.t_us, data); break;
      case "recovery":
        this.recovery = data;
        this.say(event.t_us, data.recovered ? "good" : "bad",
                 data.recovered ? `service well again ${seconds(data.after, 1)} after the last revert`
                                : "the service did not become well again in time");
        break;
      case "refused":
        this.refused = data;
        this.say(event.t_us, "warning", data.text);
        break;
      case "note": this.say(event.t_us, data.level === "warning" ? "warning" : "info", data.text); break;
      case "run_ended": this.onEnd(event.t_us, data); break;
    }
  }

  // By a person's wish, which is no verdict about the service.
  wasStopped(): boolean { return ["person", "halt"].includes(this.abort?.cause); }
  stopWord(): string { return this.wasStopped() ? "STOPPED" : "ABORT"; }
  touched(): boolean { return [...this.steps.values()].some(step => step.injecting !== null); }
  phase(): Span | null { return this.phases[this.phases.length - 1] || null; }

  // Where faults are or were in force: begin and end (null: still).
  bands(): { from: number; to: number | null; name: string }[] {
    const out = [];
    for (const step of this.steps.values()) {
      if (step.injecting !== null) {
        out.push({ from: step.injecting, to: step.reverted, name: step.name });
      }
    }
    return out;
  }

  private say(when: number, level: string, text: string): void {
    this.lines.push({ at: when, level, text });
  }

  private onStart(data: any): void {
    this.about = data;
    this.conditions = (data.conditions || []).map((info: any) => ({
      id: info.id, list: info.list, text: info.text, latest: null, bad: false }));
  }

  private onPlan(data: any): void {
    this.plan = data;
    for (const step of data.steps || []) this.steps.set(`${step.step} ${step.host}`, this.newStep(step));
  }

  private newStep(planned: any): Step {
    return { step: planned.step, host: planned.host, name: planned.name || planned.step,
             fault: planned.fault || "", state: "planned", text: "", problem: "", seen: "not_yet",
             injecting: null, reverted: null, duration: planned.duration || 0,
             undoable: planned.undoable !== false, undos: planned.undos || [] };
  }

  private onPhase(when: number, data: any): void {
    const before = this.phase();
    if (before) before.to = when;
    this.phases.push({ phase: data.phase, from: when, to: null, planned: data.planned });
    this.say(when, "info", `phase ${data.phase}`);
  }

  private onSamples(data: any): void {
    const host = data.host || "";
    const key = `${data.sli} ${host}`;
    let series = this.series.get(key);
    if (!series) {
      const info = (this.about?.slis || []).find((one: any) => one.name === data.sli);
      const kind = info?.kind || (data.sli.startsWith("host.") ? "host" : "");
      series = { sli: data.sli, host, kind, unit: info?.unit || hostUnit(data.sli),
                 request: ["http", "tcp", "dns"].includes(kind), seconds: new Map(), last: 0 };
      this.series.set(key, series);
    }
    this.samples += data.attempts || 0;
    const begin = Math.floor(data.from / 1e6);
    let second = series.seconds.get(begin);
    if (!second) {
      second = { attempts: 0, good: 0, value: null, noData: false, buckets: new Map() };
      series.seconds.set(begin, second);
    }
    series.last = Math.max(series.last, begin);
    second.attempts += data.attempts || 0;
    second.good += data.good || 0;
    if (data.value !== undefined && data.value !== null) {
      second.value = data.value;
    }
    if (data.latency && data.latency.length) series.request = true;
    for (let i = 0; i + 1 < (data.latency || []).length; i += 2) {
      const bucket = data.latency[i];
      second.buckets.set(bucket, (second.buckets.get(bucket) || 0) + data.latency[i + 1]);
    }
    second.noData = second.noData || data.no_data === true;
  }

  private onCondition(when: number, data: any): void {
    const row = this.conditions.find(one => one.id === data.id);
    if (!row) return;
    row.latest = data;
    if (data.truth === "unknown") return;  // says nothing about what was known before
    const abort = row.list === "abort_if";
    const bad = data.truth === (abort ? "holds" : "broken");
    if (bad === row.bad) return;
    row.bad = bad;
    const word = abort ? (bad ? "reached" : "no longer reached") : (bad ? "broken" : "holds again");
    this.say(when, bad ? "bad" : "good", `${row.text}: ${word}`
        + (data.measured_text ? `, ${data.measured_text}` : "")
        + (bad && data.problem ? ` (${data.problem})` : ""));
  }

  private onStep(when: number, data: any): void {
    const key = `${data.step} ${data.host}`;
    let step = this.steps.get(key);
    if (!step) {
      const planned = (this.plan?.steps || []).find(
          (one: any) => one.step === data.step.split("#")[0] && one.host === data.host);
      step = this.newStep({ ...(planned || {}), step: data.step, host: data.host });
      this.steps.set(key, step);
    }
    const again = step.state === data.state;
    step.state = data.state;
    if (data.text) step.text = data.text;
    if (data.seen && data.seen !== "not_yet") step.seen = data.seen;
    if (data.state === "injecting") step.injecting = when;
    if (data.state === "reverted" || data.state === "removed") {
      step.reverted = step.reverted === null ? when : step.reverted;
    }
    if (data.state === "failed" || data.state === "revert_failed") step.problem = data.text;
    if (again || data.state === "effect") return;
    const bad = data.state === "failed" || data.state === "revert_failed";
    const good = data.state === "verified" || data.state === "reverted";
    this.say(when, bad ? "bad" : good ? "good" : "info",
             `${step.name} on ${data.host}: ${data.state.replace("_", " ")}`
             + (data.text ? `: ${data.text}` : ""));
  }

  private onHost(when: number, data: any): void {
    this.hosts.set(data.host, data);
    this.say(when, data.clean ? "good" : "bad", `host ${data.host}: ${data.clean ? "clean"
        : "NOT CLEAN"}${data.lost ? ` (${data.lost})` : ""}`);
  }

  private onEnd(when: number, data: any): void {
    const last = this.phase();
    if (last) last.to = when;
    this.verdict = data.verdict;
    const tone = exitTone(data.verdict.exit_name);
    this.say(when, tone === "warn" ? "warning" : tone,
             exitWord(data.verdict.exit_name) + (data.verdict.reason ? `: ${data.verdict.reason}` : ""));
  }
}

function hostUnit(sli: string): string {
  return /cpu|memory|pressure|disk/.test(sli) ? "%" : "";
}
