"use strict";
// Elements and words. Text of others reaches the page through textContent alone.
function el(tag, attributes = {}, ...children) {
    const out = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function")
            out.addEventListener(name, value);
        else if (value === true)
            out.setAttribute(name, "");
        else if (value !== false)
            out.setAttribute(name, value);
    }
    append(out, children);
    return out;
}
function append(parent, children) {
    for (const child of children) {
        if (child)
            parent.append(child); // a string becomes a text node
    }
}
// Replaces what is in a place when it has changed, and keeps the focus where it was.
function fill(place, key, make) {
    const now = JSON.stringify(key);
    if (place.dataset.shown === now)
        return;
    const active = document.activeElement;
    const held = active instanceof HTMLElement && place.contains(active) ? active.dataset.key : null;
    const scrolled = place.scrollTop;
    place.replaceChildren();
    append(place, make());
    place.dataset.shown = now;
    place.scrollTop = scrolled;
    if (held) {
        for (const one of place.querySelectorAll("[data-key]")) {
            if (one.dataset.key === held)
                one.focus();
        }
    }
}
function setText(place, text) {
    if (place.textContent !== text)
        place.textContent = text;
}
// ---- Words
function seconds(us, decimals = 0) {
    const total = Math.max(0, us) / 1e6;
    if (total < 60)
        return `${total.toFixed(decimals)} s`;
    const whole = Math.floor(total);
    const clock = `${Math.floor(whole / 60) % 60}:${String(whole % 60).padStart(2, "0")}`;
    return whole < 3600 ? clock
        : `${Math.floor(whole / 3600)}:${clock.padStart(5, "0")}`;
}
function at(us) {
    const tenths = Math.floor(Math.max(0, us) / 1e5);
    const whole = Math.floor(tenths / 10);
    return `+${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}.${tenths % 10}`;
}
function ago(wall, now) {
    const passed = (now - wall) / 1000;
    if (passed < 0)
        return `in ${span(-passed)}`;
    return passed < 5 ? "just now" : `${span(passed)} ago`;
}
function span(passed) {
    if (passed < 60)
        return `${Math.round(passed)} s`;
    if (passed < 3600)
        return `${Math.round(passed / 60)} min`;
    if (passed < 86400 * 2)
        return `${Math.round(passed / 3600)} h`;
    return `${Math.round(passed / 86400)} days`;
}
function clockTime(wall) {
    return new Date(wall).toLocaleString(undefined, {
        year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit",
        hour12: false
    });
}
function plural(count, word) {
    return `${count} ${word}${count === 1 ? "" : "s"}`;
}
// By the stable names of docs/reference/exit-codes.md.
function exitTone(name) {
    if (name === "upheld" || name === "planned")
        return "good";
    if (["violated", "aborted", "dirty", "not_recovered", "error"].includes(name))
        return "bad";
    if (["refused", "unsteady", "inconclusive", "interrupted", "unfinished"].includes(name)) {
        return "warn";
    }
    return "";
}
function exitWord(name) {
    const words = {
        dirty: "HOST NOT CLEAN", not_recovered: "NOT RECOVERED", unsteady: "NOT STEADY"
    };
    return words[name] || name.toUpperCase();
}
function badge(text, tone = "", big = false) {
    return el("span", { class: `badge ${tone}${big ? " big" : ""}` }, text);
}
function fileName(path) {
    return path.slice(path.lastIndexOf("/") + 1);
}
function card(title, ...children) {
    return el("section", { class: "card" }, el("h2", {}, title), ...children);
}
// A run as a fold over its events (docs/reference/events.md), as engine/report/fold.cpp does it.
// Unknown kinds and members are ignored.
// The middle of a latency bucket, in microseconds.
function bucketMiddle(bucket) {
    if (bucket < 128)
        return bucket;
    const k = Math.floor((bucket - 128) / 64);
    const i = (bucket - 128) % 64;
    const width = 2 ** (k + 1);
    return (64 + i) * width + width / 2;
}
// The value below which this share of the answers lie, or null without answers.
function quantile(buckets, share) {
    let total = 0;
    for (const count of buckets.values())
        total += count;
    if (total === 0)
        return null;
    let wanted = Math.max(1, Math.ceil(total * share));
    for (const bucket of [...buckets.keys()].sort((a, b) => a - b)) {
        wanted -= buckets.get(bucket);
        if (wanted <= 0)
            return bucketMiddle(bucket);
    }
    return null;
}
class RunFold {
    constructor() {
        this.about = null;
        this.plan = null;
        this.phases = [];
        this.steps = new Map();
        this.conditions = [];
        this.series = new Map();
        this.hosts = new Map();
        this.lines = [];
        this.abort = null;
        this.abortLatency = null;
        this.recovery = null;
        this.refused = null;
        this.verdict = null;
        this.samples = 0;
        this.now = 0;
        this.lastSeq = 0;
        this.lost = false;
    }
    apply(event) {
        if (event.seq <= this.lastSeq)
            return;
        if (event.seq !== this.lastSeq + 1)
            this.lost = true;
        this.lastSeq = event.seq;
        this.now = Math.max(this.now, event.t_us);
        const data = event.data;
        switch (event.kind) {
            case "run_started":
                this.onStart(data);
                break;
            case "plan_made":
                this.onPlan(data);
                break;
            case "phase_started":
                this.onPhase(event.t_us, data);
                break;
            case "samples":
                this.onSamples(data);
                break;
            case "condition":
                this.onCondition(event.t_us, data);
                break;
            case "armed":
                this.say(event.t_us, "info", `armed: ${plural(data.conditions, "abort condition")}`);
                break;
            case "step":
                this.onStep(event.t_us, data);
                break;
            case "abort":
                this.abort = { ...data, at: event.t_us };
                this.say(event.t_us, this.wasStopped() ? "warning" : "bad", `${this.stopWord()}: ${data.text}`);
                break;
            case "abort_done":
                this.abortLatency = data.latency;
                this.say(event.t_us, "info", `everything is put back, ${(data.latency / 1000).toFixed(1)} ms `
                    + "after the decision");
                break;
            case "host_checked":
                this.onHost(event.t_us, data);
                break;
            case "recovery":
                this.recovery = data;
                this.say(event.t_us, data.recovered ? "good" : "bad", data.recovered ? `service well again ${seconds(data.after, 1)} after the last revert`
                    : "the service did not become well again in time");
                break;
            case "refused":
                this.refused = data;
                this.say(event.t_us, "warning", data.text);
                break;
            case "note":
                this.say(event.t_us, data.level === "warning" ? "warning" : "info", data.text);
                break;
            case "run_ended":
                this.onEnd(event.t_us, data);
                break;
        }
    }
    // By a person's wish, which is no verdict about the service.
    wasStopped() { return ["person", "halt"].includes(this.abort?.cause); }
    stopWord() { return this.wasStopped() ? "STOPPED" : "ABORT"; }
    touched() { return [...this.steps.values()].some(step => step.injecting !== null); }
    phase() { return this.phases[this.phases.length - 1] || null; }
    // Where faults are or were in force: begin and end (null: still).
    bands() {
        const out = [];
        for (const step of this.steps.values()) {
            if (step.injecting !== null) {
                out.push({ from: step.injecting, to: step.reverted, name: step.name });
            }
        }
        return out;
    }
    say(when, level, text) {
        this.lines.push({ at: when, level, text });
    }
    onStart(data) {
        this.about = data;
        this.conditions = (data.conditions || []).map((info) => ({
            id: info.id, list: info.list, text: info.text, latest: null, bad: false
        }));
    }
    onPlan(data) {
        this.plan = data;
        for (const step of data.steps || [])
            this.steps.set(`${step.step} ${step.host}`, this.newStep(step));
    }
    newStep(planned) {
        return { step: planned.step, host: planned.host, name: planned.name || planned.step,
            fault: planned.fault || "", state: "planned", text: "", problem: "", seen: "not_yet",
            injecting: null, reverted: null, duration: planned.duration || 0,
            undoable: planned.undoable !== false, undos: planned.undos || [] };
    }
    onPhase(when, data) {
        const before = this.phase();
        if (before)
            before.to = when;
        this.phases.push({ phase: data.phase, from: when, to: null, planned: data.planned });
        this.say(when, "info", `phase ${data.phase}`);
    }
    onSamples(data) {
        const host = data.host || "";
        const key = `${data.sli} ${host}`;
        let series = this.series.get(key);
        if (!series) {
            const info = (this.about?.slis || []).find((one) => one.name === data.sli);
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
        if (data.latency && data.latency.length)
            series.request = true;
        for (let i = 0; i + 1 < (data.latency || []).length; i += 2) {
            const bucket = data.latency[i];
            second.buckets.set(bucket, (second.buckets.get(bucket) || 0) + data.latency[i + 1]);
        }
        second.noData = second.noData || data.no_data === true;
    }
    onCondition(when, data) {
        const row = this.conditions.find(one => one.id === data.id);
        if (!row)
            return;
        row.latest = data;
        if (data.truth === "unknown")
            return; // says nothing about what was known before
        const abort = row.list === "abort_if";
        const bad = data.truth === (abort ? "holds" : "broken");
        if (bad === row.bad)
            return;
        row.bad = bad;
        const word = abort ? (bad ? "reached" : "no longer reached") : (bad ? "broken" : "holds again");
        this.say(when, bad ? "bad" : "good", `${row.text}: ${word}`
            + (data.measured_text ? `, ${data.measured_text}` : "")
            + (bad && data.problem ? ` (${data.problem})` : ""));
    }
    onStep(when, data) {
        const key = `${data.step} ${data.host}`;
        let step = this.steps.get(key);
        if (!step) {
            const planned = (this.plan?.steps || []).find((one) => one.step === data.step.split("#")[0] && one.host === data.host);
            step = this.newStep({ ...(planned || {}), step: data.step, host: data.host });
            this.steps.set(key, step);
        }
        const again = step.state === data.state;
        step.state = data.state;
        if (data.text)
            step.text = data.text;
        if (data.seen && data.seen !== "not_yet")
            step.seen = data.seen;
        if (data.state === "injecting")
            step.injecting = when;
        if (data.state === "reverted" || data.state === "removed") {
            step.reverted = step.reverted === null ? when : step.reverted;
        }
        if (data.state === "failed" || data.state === "revert_failed")
            step.problem = data.text;
        if (again || data.state === "effect")
            return;
        const bad = data.state === "failed" || data.state === "revert_failed";
        const good = data.state === "verified" || data.state === "reverted";
        this.say(when, bad ? "bad" : good ? "good" : "info", `${step.name} on ${data.host}: ${data.state.replace("_", " ")}`
            + (data.text ? `: ${data.text}` : ""));
    }
    onHost(when, data) {
        this.hosts.set(data.host, data);
        this.say(when, data.clean ? "good" : "bad", `host ${data.host}: ${data.clean ? "clean"
            : "NOT CLEAN"}${data.lost ? ` (${data.lost})` : ""}`);
    }
    onEnd(when, data) {
        const last = this.phase();
        if (last)
            last.to = when;
        this.verdict = data.verdict;
        const tone = exitTone(data.verdict.exit_name);
        this.say(when, tone === "warn" ? "warning" : tone, exitWord(data.verdict.exit_name) + (data.verdict.reason ? `: ${data.verdict.reason}` : ""));
    }
}
function hostUnit(sli) {
    return /cpu|memory|pressure|disk/.test(sli) ? "%" : "";
}
// Talking to the server: what it says, and since when it says nothing.
class Refusal extends Error {
    constructor(status, code, message, more = {}) {
        super(message);
        this.status = status;
        this.code = code;
        this.more = more;
    }
}
const kTokenKey = "ordeal.token";
const server = {
    heard: 0,
    skew: 0,
    health: null,
    halt: null,
    refused: false,
    now() { return Date.now() + this.skew; },
    silent() { return this.heard === 0 ? 0 : performance.now() - this.heard; },
    isStale() { return this.heard === 0 || this.silent() > 6000; },
    token() {
        return sessionStorage.getItem(kTokenKey) || localStorage.getItem(kTokenKey) || "";
    },
    setToken(token, remember) {
        sessionStorage.removeItem(kTokenKey);
        localStorage.removeItem(kTokenKey);
        if (token)
            (remember ? localStorage : sessionStorage).setItem(kTokenKey, token);
    },
    async get(path) { return this.ask("GET", path); },
    async ask(method, path, body, patience = 10000) {
        const headers = {};
        if (this.token())
            headers["Authorization"] = `Bearer ${this.token()}`;
        if (body !== undefined)
            headers["Content-Type"] = "application/json";
        const stop = new AbortController();
        const timer = setTimeout(() => stop.abort(), patience);
        let answer;
        try {
            answer = await fetch(`/api/v1/${path}`, {
                method, headers, signal: stop.signal, cache: "no-store",
                body: body === undefined ? undefined : JSON.stringify(body)
            });
        }
        catch (problem) {
            throw new Refusal(0, "no_answer", "The server does not answer. Whether it did anything is "
                + "not known: look at what is shown once it answers again.");
        }
        finally {
            clearTimeout(timer);
        }
        const text = await answer.text();
        let value = {};
        try {
            value = text ? JSON.parse(text) : {};
        }
        catch (problem) {
            throw new Refusal(answer.status, "no_json", "The answer cannot be read.");
        }
        if (!answer.ok) {
            const error = value.error || {};
            throw new Refusal(answer.status, error.code || "failed", error.message || answer.statusText, error);
        }
        return value;
    },
};
// The events of one run, in order, each once. A stream that broke is taken up again behind the last
// event that we have. Read by fetch: an EventSource sends no token.
class EventFeed {
    constructor(run, after, take, changed) {
        this.run = run;
        this.after = after;
        this.take = take;
        this.changed = changed;
        this.source = null;
        this.closed = false;
        this.heard = performance.now();
        this.state = "connecting";
        this.open();
    }
    close() {
        this.closed = true;
        this.drop();
    }
    drop() {
        this.source?.abort();
        this.source = null;
    }
    // A stream that is open and silent is broken: the server gives a sign of life every two seconds.
    check() {
        if (this.source && performance.now() - this.heard > 8000) {
            this.heard = performance.now();
            this.drop();
            this.state = "connecting";
            this.changed();
            this.open();
        }
    }
    open() {
        const source = new AbortController();
        this.source = source;
        this.read(source).catch(() => { }).then(() => {
            if (this.source !== source)
                return; // closed, or another one has taken its place
            this.source = null;
            this.state = "connecting";
            this.changed();
            setTimeout(() => { if (!this.source && !this.closed)
                this.open(); }, 1000);
        });
    }
    // Until the stream ends or breaks.
    async read(source) {
        const answer = await fetch(`/api/v1/runs/${this.run}/events?after=${this.after()}`, {
            headers: { "Authorization": `Bearer ${server.token()}` }, signal: source.signal,
            cache: "no-store"
        });
        if (!answer.ok || !answer.body) {
            if (answer.status === 401)
                server.refused = true;
            return;
        }
        const reader = answer.body.getReader();
        const decoder = new TextDecoder();
        let rest = "";
        for (;;) {
            const piece = await reader.read();
            if (piece.done || this.source !== source)
                return;
            const frames = (rest + decoder.decode(piece.value, { stream: true })).split("\n\n");
            rest = frames.pop() || "";
            this.heard = performance.now();
            if (this.state !== "open") {
                this.state = "open";
                this.changed();
            }
            if (this.take_frames(frames))
                return;
        }
    }
    // True: it was the last one.
    take_frames(frames) {
        const events = [];
        let ended = null;
        for (const frame of frames) {
            const fields = {};
            for (const line of frame.split("\n")) {
                const colon = line.indexOf(": ");
                if (colon > 0)
                    fields[line.slice(0, colon)] = line.slice(colon + 2);
            }
            if (fields["event"] === "end")
                ended = "over";
            else if (fields["event"] === "unfinished")
                ended = "unfinished";
            else if (!fields["event"] && fields["data"])
                events.push(JSON.parse(fields["data"]));
        }
        if (events.length > 0)
            this.take(events);
        if (!ended)
            return false;
        this.close();
        this.state = ended;
        this.changed();
        return true;
    }
}
// Charts of SLIs over the time of a run: one point a second, bounds as dashed lines, faults as bands.
// Nothing is interpolated: a second without data is a gap, and hatched.
function measuresOf(series) {
    const name = series.sli + (series.host && series.host !== "local" ? ` (${series.host})` : "");
    if (!series.request) {
        const flag = series.kind === "process";
        return [{ key: `${series.sli} ${series.host}`, title: name, unit: flag ? "flag" : series.unit,
                point: second => second.value,
                bound: one => boundOf(one, series.sli, () => true) }];
    }
    return [
        { key: `${series.sli} success`, title: `${name}: success`, unit: "%",
            point: second => second.attempts ? 100 * second.good / second.attempts : null,
            bound: one => boundOf(one, series.sli, aggregate => aggregate === "success") },
        { key: `${series.sli} p95`, title: `${name}: p95`, unit: "ms",
            point: second => {
                const middle = quantile(second.buckets, 0.95);
                return middle === null ? null : middle / 1000;
            },
            bound: one => {
                const value = boundOf(one, series.sli, aggregate => /^p\d/.test(aggregate));
                return value === null ? null : value * 1000;
            } },
    ];
}
// The bound of a condition on this SLI, in base units, as it was evaluated.
function boundOf(condition, sli, fits) {
    const bound = condition.latest?.bound;
    if (typeof bound !== "number")
        return null;
    const measure = condition.text.replace(/^host\([^)]*\)/, "host").split(/[\s<>=]/)[0];
    if (measure !== sli && !measure.startsWith(`${sli}.`))
        return null;
    return fits(measure.slice(sli.length + 1)) ? bound : null;
}
function withUnit(value, unit) {
    if (value === null || value === undefined)
        return "no data";
    if (unit === "flag")
        return value ? "up" : "down";
    if (unit === "%")
        return `${value >= 99.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)}%`;
    if (unit === "B")
        return `${(value / 1048576).toFixed(1)} MiB`;
    const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
    return `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`;
}
function colors() {
    const style = getComputedStyle(document.documentElement);
    const out = {};
    for (const name of ["line", "muted", "grid", "rule", "bound", "bad", "gap", "text", "f0", "f1",
        "f2", "f3"]) {
        out[name] = style.getPropertyValue(`--${name}`).trim();
    }
    return out;
}
class Chart {
    constructor(measure, fold, series) {
        this.measure = measure;
        this.fold = fold;
        this.series = series;
        this.plotPlace = el("div", { class: "plot" });
        this.value = el("span", { class: "value" });
        this.boundText = el("span", { class: "bound" });
        this.plot = null;
        this.palette = colors();
        this.data = [[], []];
        this.bounds = [];
        this.gaps = [];
        this.hovered = null;
        this.element = el("div", { class: "chart" }, el("div", { class: "head" }, el("h3", {}, measure.title), this.value, this.boundText), this.plotPlace);
        new ResizeObserver(() => this.resize()).observe(this.plotPlace);
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
            this.palette = colors();
            this.plot?.destroy();
            this.plot = null;
            this.update();
        });
    }
    update() {
        const last = Math.max(this.series.last, Math.floor(this.fold.now / 1e6) - 1);
        const xs = [];
        const ys = [];
        this.gaps = [];
        for (let x = 0; x <= last; ++x) {
            const second = this.series.seconds.get(x);
            const value = second ? this.measure.point(second) : null;
            xs.push(x);
            ys.push(value);
            if (second?.noData)
                this.gaps.push(x);
        }
        this.data = [xs, ys];
        this.bounds = [];
        const texts = [];
        for (const condition of this.fold.conditions) {
            const value = this.measure.bound(condition);
            if (value === null)
                continue;
            this.bounds.push({ value, abort: condition.list === "abort_if" });
            texts.push(condition.text);
        }
        setText(this.boundText, [...new Set(texts)].join(" · "));
        this.showValue();
        if (!this.plot && this.plotPlace.clientWidth > 0)
            this.make();
        if (this.plot)
            this.plot.setData(this.data);
    }
    showValue() {
        const ys = this.data[1];
        let index = this.hovered;
        if (index === null) { // the last whole second
            index = ys.length - 1;
            if (!this.fold.verdict && ys[index] === null && index > 0)
                index -= 1;
        }
        const text = ys.length ? withUnit(ys[index], this.measure.unit) : "";
        setText(this.value, this.hovered === null ? text : `${text} at ${at(index * 1e6).slice(0, -2)}`);
    }
    resize() {
        if (!this.plot)
            this.update();
        else if (this.plotPlace.clientWidth !== this.plot.width) {
            this.plot.setSize({ width: this.plotPlace.clientWidth, height: 150 });
        }
    }
    range(low, high) {
        const all = this.bounds.map(bound => bound.value);
        if (low !== null)
            all.push(low);
        if (high !== null)
            all.push(high);
        if (this.measure.unit === "%") {
            const least = Math.min(100, ...all);
            return [least > 50 ? Math.max(0, 100 - 1.25 * Math.max(2, 100 - least)) : 0, 101];
        }
        const most = Math.max(0, ...all);
        return [Math.min(0, ...all), most > 0 ? most * 1.15 : 1];
    }
    make() {
        const p = this.palette;
        const axis = { stroke: p.muted, grid: { stroke: p.grid, width: 1 }, ticks: { show: false },
            font: "11px system-ui, sans-serif" };
        this.plot = new uPlot({
            width: this.plotPlace.clientWidth, height: 150,
            legend: { show: false },
            padding: [6, 20, 0, 0],
            cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false },
                sync: { key: "run" } },
            scales: { x: { time: false, range: (_, low, high) => [low || 0, Math.max(high || 0, 10)] },
                y: { range: (_, low, high) => this.range(low, high) } },
            axes: [{ ...axis, size: 26, values: (_, ticks) => ticks.map(tick => `+${Math.floor(tick / 60)}:${String(tick % 60).padStart(2, "0")}`),
                    incrs: [1, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600] },
                { ...axis, size: 54, values: (_, ticks) => ticks.map(tick => this.tickText(tick)) }],
            series: [{}, { stroke: p.line, width: 1.8, spanGaps: false,
                    points: { show: (plot) => plot.data[0].length < 40, size: 4, fill: p.line } }],
            hooks: {
                drawClear: [(plot) => this.drawBehind(plot)],
                draw: [(plot) => this.drawBounds(plot)],
                setCursor: [(plot) => {
                        this.hovered = typeof plot.cursor.idx === "number" ? plot.cursor.idx : null;
                        this.showValue();
                    }],
            },
        }, this.data, this.plotPlace);
    }
    tickText(tick) {
        if (this.measure.unit === "%" && tick > 100)
            return ""; // room above the line, and no value
        if (this.measure.unit === "flag")
            return tick === 1 ? "up" : tick === 0 ? "down" : "";
        return this.measure.unit === "B" ? (tick / 1048576).toFixed(0) : String(+tick.toFixed(3));
    }
    // Fault bands, begins of phases, and hatching where there is no data.
    drawBehind(plot) {
        const context = plot.ctx;
        const { left, top, width, height } = plot.bbox;
        const x = (us) => plot.valToPos(us / 1e6, "x", true);
        context.save();
        context.beginPath();
        context.rect(left, top, width, height);
        context.clip();
        // A wash over the plot, and above it a bar for each fault: several at a time stay apart.
        const bar = 4 * devicePixelRatio;
        this.fold.bands().forEach((band, index) => {
            const end = band.to === null ? this.fold.now : band.to;
            const wide = Math.max(2, x(end) - x(band.from));
            context.fillStyle = this.palette[`f${index % 4}`];
            context.globalAlpha = 0.13;
            context.fillRect(x(band.from), top, wide, height);
            context.globalAlpha = 1;
            context.fillRect(x(band.from), top + (index % 4) * (bar + 1), wide, bar);
        });
        context.globalAlpha = 1;
        context.strokeStyle = this.palette.rule;
        for (const phase of this.fold.phases) {
            if (!["fault", "recovery"].includes(phase.phase))
                continue;
            context.beginPath();
            context.moveTo(x(phase.from), top);
            context.lineTo(x(phase.from), top + height);
            context.stroke();
        }
        context.strokeStyle = this.palette.gap;
        for (const second of this.gaps)
            this.hatch(context, x(second * 1e6), x((second + 1) * 1e6), top, height);
        context.restore();
    }
    hatch(context, from, to, top, height) {
        context.save();
        context.beginPath();
        context.rect(from, top, to - from, height);
        context.clip();
        context.lineWidth = 1;
        for (let shift = from - height; shift < to; shift += 8) {
            context.beginPath();
            context.moveTo(shift, top + height);
            context.lineTo(shift + height, top);
            context.stroke();
        }
        context.restore();
    }
    drawBounds(plot) {
        const context = plot.ctx;
        const { left, top, width, height } = plot.bbox;
        context.save();
        context.lineWidth = devicePixelRatio;
        for (const bound of this.bounds) {
            const y = plot.valToPos(bound.value, "y", true);
            if (y < top - 1 || y > top + height + 1)
                continue;
            context.strokeStyle = bound.abort ? this.palette.bad : this.palette.bound;
            context.setLineDash(bound.abort ? [2, 3] : [6, 4]);
            context.beginPath();
            context.moveTo(left, y);
            context.lineTo(left + width, y);
            context.stroke();
        }
        context.restore();
    }
}
// All charts of a run; new SLIs get theirs when their first sample comes.
class Charts {
    constructor(fold) {
        this.fold = fold;
        this.element = el("div", { class: "charts" });
        this.all = new Map();
    }
    update() {
        for (const series of this.fold.series.values()) {
            for (const measure of measuresOf(series)) {
                let chart = this.all.get(measure.key);
                if (!chart) {
                    chart = new Chart(measure, this.fold, series);
                    this.all.set(measure.key, chart);
                    this.element.append(chart.element);
                }
                chart.update();
            }
        }
        this.element.classList.toggle("single", this.all.size === 1);
    }
}
// Questions that must be answered before something changes. Native dialogs: Escape closes them,
// the focus stays inside and goes back afterwards.
function openDialog(content) {
    const dialog = el("dialog");
    const close = () => { dialog.close(); };
    dialog.append(content(close));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    return dialog;
}
function askFor(question) {
    const input = el("input", { type: "text", id: "reason", maxlength: "900", autocomplete: "off",
        required: question.reason === "required" });
    const problem = el("p", { class: "refused", role: "alert" });
    const action = el("button", { type: "submit", class: question.danger ? "danger" : "primary" }, question.action);
    openDialog(close => {
        const submit = async (event) => {
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
            }
            catch (refused) {
                setText(problem, refused instanceof Error ? refused.message : String(refused));
            }
            finally {
                action.disabled = false;
            }
        };
        return el("form", { method: "dialog", submit }, el("h1", {}, question.title), ...question.text.filter(Boolean).map(line => el("p", {}, line)), question.reason ? el("div", {}, el("label", { for: "reason" }, question.reason === "required" ? "Reason" : "Reason (may stay empty)"), input) : null, problem, el("div", { class: "line" }, el("button", { type: "button", click: close }, "Cancel"), action));
    });
    if (question.reason)
        input.focus();
}
// Does it; when the token is missing or wrong asks for it and does it again.
async function withToken(act) {
    for (;;) {
        try {
            return await act();
        }
        catch (refused) {
            if (!(refused instanceof Refusal) || refused.code !== "token_required")
                throw refused;
        }
        const wrong = server.token() !== "";
        server.setToken("", false);
        if (!await askToken(wrong)) {
            throw new Error(wrong ? "Not done: the token is not right." : "Not done: this needs the token.");
        }
    }
}
function askToken(wrong) {
    return new Promise(resolve => {
        const input = el("input", { type: "password", id: "token", autocomplete: "off",
            required: true, spellcheck: "false" });
        const remember = el("input", { type: "checkbox", id: "remember" });
        let given = false;
        const dialog = openDialog(close => {
            const submit = (event) => {
                event.preventDefault();
                if (!input.value.trim())
                    return;
                server.setToken(input.value.trim(), remember.checked);
                given = true;
                close();
            };
            return el("form", { method: "dialog", submit }, el("h1", {}, wrong ? "That was not the token" : "Token"), el("p", {}, "This server answers who has its token. On the host, as root (ordeal "
                + "serve says it when it starts, if it is another file):"), el("pre", {}, `cat ${server.health?.token_file || "/var/lib/ordeal/serve.token"}`), el("div", {}, el("label", { for: "token" }, "Token"), input), el("label", { class: "check" }, remember, "Remember it in this browser"), el("div", { class: "line" }, el("button", { type: "button", click: close }, "Cancel"), el("button", { type: "submit", class: "primary" }, "Go on")));
        });
        input.focus();
        dialog.addEventListener("close", () => resolve(given));
    });
}
// Asks once; who closes that dialog finds it again behind the word at the top.
let asked_for_token = false;
async function wantToken() {
    if (document.querySelector("dialog"))
        return;
    const wrong = server.token() !== "";
    server.setToken("", false);
    if (await askToken(wrong)) {
        await refreshing; // one that began without it would take the refusal for that of this token
        asked_for_token = false;
        await refresh();
    }
}
// The report stands in a tab of its own, which can send no token: a link that opens it for a while.
async function openReport(run) {
    const tab = window.open("about:blank", "_blank"); // now: later it would be an unwanted one
    try {
        const link = await server.ask("POST", `runs/${run}/report.html/link`, {});
        if (tab) {
            tab.opener = null;
            tab.location.replace(link.address);
        }
        else {
            location.assign(link.address);
        }
    }
    catch (refused) {
        tab?.close();
        tell("The report cannot be shown", [refused instanceof Error ? refused.message : ""]);
    }
}
function tell(title, lines) {
    openDialog(close => el("form", { method: "dialog", submit: close }, el("h1", {}, title), ...lines.map(line => el("p", {}, line)), el("div", { class: "line" }, el("button", { type: "submit", class: "primary" }, "Close"))));
}
function askHalt() {
    askFor({
        title: server.health?.inventory ? "Halt all hosts" : "Halt this host",
        text: ["Every fault that is in force is put back now, runs are stopped, and nothing starts "
                + "until the halt is lifted.",
            server.health?.inventory ? `On this host and on every host of ${server.health.inventory}.` : ""],
        action: "Halt now", danger: true, reason: "required",
        act: async (reason) => {
            const done = await server.ask("POST", "halt", { reason }, 150000);
            await refresh();
            if (!done.clean) {
                tell("Halted, but not clean", ["Nothing is injected here any more, but this is left, or "
                        + "not known to be put back. See: sudo ordeal status", ...done.left]);
            }
        },
    });
}
function askLift() {
    askFor({
        title: "Lift the halt",
        text: [`Halted: ${server.halt?.reason || ""}`, "Runs and schedules may start again."],
        action: "Lift",
        act: async () => {
            const done = await server.ask("DELETE", "halt", undefined, 60000);
            await refresh();
            if (done.left.length)
                tell("Lifted here, but not everywhere", done.left);
        },
    });
}
function askAbort(run, name) {
    askFor({
        title: "Abort this run",
        text: [`${name || run} is stopped, and everything that it changed is put back.`],
        action: "Abort the run", danger: true, reason: "optional",
        act: async (reason) => { await server.ask("POST", `runs/${run}/abort`, { reason }); },
    });
}
// The first view: what goes on now, what comes next, what was.
function runLink(run) {
    const state = run.state === "running" ? badge(run.phase.toUpperCase() || "RUNNING", "live")
        : badge(exitWord(run.exit.name), exitTone(run.exit.name));
    const started = Date.parse(run.started);
    const reason = run.state === "running"
        ? (run.active.length ? `in force: ${run.active.join(", ")}` : "nothing is injected now")
        : run.exit.reason;
    return el("a", { class: "row", href: `#/run/${run.run}`, "data-key": run.run }, state, el("span", { class: "name" }, run.name || run.run), el("span", { class: "when muted small", title: clockTime(started) }, run.state === "running" ? `for ${seconds(server.now() - started < 0 ? 0
        : (server.now() - started) * 1000)}` : ago(started, server.now())), el("span", { class: "why muted small" }, [run.mode === "run" ? "" : run.mode, reason].filter(Boolean).join(" · ")));
}
function firingRow(firing) {
    const due = Date.parse(firing.due);
    return el("li", {}, el("div", { class: "row firing" }, el("span", { class: "name" }, firing.schedule), el("span", { class: "when small" }, firing.local.slice(0, 16)), el("span", { class: "why muted small" }, fileName(firing.experiment) + (firing.note ? ` · ${firing.note}` : "")), el("span", { class: "ago muted small" }, ago(due, server.now()))));
}
function runsView() {
    const now = el("div");
    const past = el("div");
    const next = el("div");
    const element = el("div", { class: "stack" }, card("Now", now), el("div", { class: "columns" }, card("Past runs", past), card("Next firings", next)));
    const list = (items) => el("ul", { class: "rows" }, ...items.map(item => item.tagName === "LI" ? item : el("li", {}, item)));
    return {
        name: "runs", element,
        refresh: async () => {
            const [runs, firings] = await Promise.all([
                server.get("runs?limit=50"), server.get("firings?days=90&limit=6")
            ]);
            const running = runs.runs.filter((run) => run.state === "running");
            const ended = runs.runs.filter((run) => run.state !== "running");
            const second = Math.floor(server.now() / 1000);
            const minute = Math.floor(second / 30);
            fill(now, [running, running.length ? second : 0], () => running.length
                ? [list(running.map(runLink))]
                : [el("p", { class: "empty" }, "No run goes on. ", el("a", { href: "#/new" }, "Start one"))]);
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
// One run, live or past: the same fold over the same events.
const kPhases = ["plan", "baseline", "inject", "fault", "revert", "recovery", "judge"];
const kLists = [
    ["Well while faulty", "during", ["during"]],
    ["Steady state", "steady_state", ["steady_state"]],
    ["Expected", "expect", ["expect", "wait"]],
    ["Aborts when", "abort_if", ["abort_if"]],
];
class RunView {
    constructor(run) {
        this.run = run;
        this.name = "runs";
        this.fold = new RunFold();
        this.charts = new Charts(this.fold);
        this.headline = el("div", { class: "line" });
        this.about = el("div");
        this.clock = el("p", { class: "clock" });
        this.phases = el("ol", { class: "phases" });
        this.trouble = el("div", { class: "trouble" });
        this.actions = el("div", { class: "line actions" });
        this.legend = el("div", { class: "legend" });
        this.conditions = el("div", { class: "stack" });
        this.faults = el("div");
        this.hosts = el("div");
        this.events = el("ul", { class: "events tall", tabindex: "0",
            "aria-label": "Events, newest first" });
        this.drawn = -1;
        this.drawnAt = 0;
        this.chartCard = card("Service", this.charts.element, this.legend);
        this.element = el("div", { class: "stack" }, el("section", { class: "card" }, this.headline, this.about, this.phases, this.clock, this.trouble, this.actions), this.chartCard, el("div", { class: "columns" }, el("div", { class: "stack" }, this.conditions, card("Faults", this.faults)), el("div", { class: "stack" }, card("Events", this.events), card("Hosts", this.hosts))));
        this.clock.setAttribute("aria-live", "off");
        this.feed = new EventFeed(run, () => this.fold.lastSeq, events => { for (const event of events)
            this.fold.apply(event); }, () => { this.drawn = -1; });
        this.show();
    }
    leave() { this.feed.close(); }
    tick() {
        this.feed.check();
        const due = this.fold.lastSeq !== this.drawn
            && performance.now() - this.drawnAt > (this.fold.verdict ? 0 : 240);
        if (due)
            this.show();
        this.showClock();
    }
    isOver() { return this.fold.verdict !== null || this.feed.state === "unfinished"; }
    isStale() { return !this.isOver() && this.feed.state !== "open"; }
    show() {
        this.drawn = this.fold.lastSeq;
        this.drawnAt = performance.now();
        const fold = this.fold;
        document.title = `${fold.about?.name || this.run} · ordeal`;
        this.showHead();
        fill(this.phases, [fold.phases.map(one => one.phase), fold.abort !== null, this.isOver()], () => this.phaseItems());
        this.chartCard.hidden = fold.series.size === 0;
        if (fold.series.size)
            this.charts.update();
        fill(this.legend, [...fold.bands().map(band => band.name)], () => this.legendItems());
        fill(this.conditions, fold.conditions, () => this.conditionCards());
        fill(this.faults, [[...fold.steps.values()], this.feed.state], () => this.faultRows());
        fill(this.hosts, [[...fold.hosts], [...fold.steps.values()].map(step => [step.host, step.injecting, step.reverted]), this.feed.state], () => this.hostRows());
        fill(this.events, [fold.lines.length, this.feed.state], () => fold.lines.slice().reverse()
            .slice(0, 300).map(line => el("li", {}, el("span", { class: "at" }, at(line.at)), el("span", { class: line.level }, line.text))));
    }
    showHead() {
        const fold = this.fold;
        const about = fold.about;
        const last = fold.phase();
        const word = fold.verdict ? [exitWord(fold.verdict.exit_name), exitTone(fold.verdict.exit_name)]
            : this.feed.state === "unfinished" ? ["UNFINISHED", "warn"]
                : fold.abort ? ["PUTTING BACK", "bad"]
                    : last ? [last.phase.toUpperCase(), "live"] : ["...", ""];
        fill(this.headline, [word, about?.name, this.isStale()], () => [
            badge(word[0], word[1], true), el("h1", { class: "grow" }, about?.name || this.run),
            this.isStale() ? badge("last known state", "warn") : null
        ]);
        fill(this.about, [about !== null], () => about === null
            ? [el("p", { class: "empty" }, "Reading its events ...")]
            : [el("p", {}, about.hypothesis || ""),
                el("p", { class: "muted small" }, [this.run, `seed ${about.seed}`, about.user,
                    about.host, clockTime(about.wall / 1000), fileName(about.file),
                    about.mode === "run" ? "" : about.mode].filter(Boolean).join(" · "))]);
        fill(this.trouble, [fold.verdict, fold.abort?.text, fold.refused?.text, this.feed.state, fold.lost], () => this.troubleLines());
        fill(this.actions, [this.isOver(), fold.verdict !== null], () => this.isOver()
            ? [el("button", { type: "button", "data-key": "report",
                    click: () => { openReport(this.run); } }, "Full report")]
            : [el("button", { type: "button", class: "danger", "data-key": "abort",
                    click: () => askAbort(this.run, about?.name || "") }, "Abort this run")]);
    }
    troubleLines() {
        const fold = this.fold;
        const out = [];
        if (fold.verdict?.reason)
            out.push(el("p", {}, fold.verdict.reason));
        if (fold.verdict) {
            const host = fold.verdict.host === "clean" ? "Host clean."
                : fold.verdict.host === "dirty" ? "HOST NOT CLEAN: sudo ordeal status" : "Host untouched.";
            const service = fold.verdict.service === "recovered" ? "Service recovered."
                : fold.verdict.service === "not_recovered" ? "Service NOT recovered." : "";
            out.push(el("p", { class: fold.verdict.host === "dirty" ? "refused" : "muted" }, `${host} ${service}`));
        }
        else if (fold.abort) {
            out.push(el("p", { class: "refused" }, `${fold.stopWord()}: ${fold.abort.text}`));
        }
        if (this.feed.state === "unfinished") {
            out.push(el("p", { class: "refused" }, "The process of this run ended without a verdict. Its "
                + "executor puts everything back; what is left, if anything, says: sudo ordeal status"));
        }
        if (fold.lost)
            out.push(el("p", { class: "refused" }, "Events are missing: this view is not complete."));
        return out;
    }
    phaseItems() {
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
    showClock() {
        const fold = this.fold;
        const last = fold.phase();
        this.clock.hidden = this.isOver() || last === null;
        if (last === null)
            return;
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
    legendItems() {
        const names = this.fold.bands().map(band => band.name);
        return [...names.map((name, index) => el("span", {}, el("i", { class: `c${index % 4}` }), name)),
            el("span", {}, el("i", { class: "dash" }), "bound"),
            el("span", {}, el("i", { class: "gap" }), "no data")];
    }
    conditionCards() {
        return kLists.map(([title, , lists]) => {
            const rows = this.fold.conditions.filter(one => lists.includes(one.list));
            if (!rows.length)
                return null;
            const aborts = lists.includes("abort_if");
            return card(title, el("table", { class: "fold" }, el("thead", {}, el("tr", {}, el("th", {}, ""), el("th", {}, "Condition"), el("th", {}, "Measured"), el("th", {}, aborts ? "Nearest" : "Bound"))), el("tbody", {}, ...rows.map(row => this.conditionRow(row, aborts)))));
        });
    }
    conditionRow(row, aborts) {
        const latest = row.latest;
        const truth = latest?.truth || "unknown";
        const bad = aborts ? truth === "holds" : truth === "broken";
        const good = aborts ? truth === "broken" : truth === "holds";
        const word = !latest ? "--" : bad ? (aborts ? "REACHED" : "BROKEN") : good ? (aborts ? "far" : "ok")
            : "unknown";
        return el("tr", {}, el("td", { class: "fit" }, el("span", {
            class: `word ${!latest ? "plain" : bad ? "bad" : good ? "good" : "warn"}`
        }, word)), el("td", {}, row.text), el("td", { class: "fit", "data-name": "measured" }, latest?.measured_text || ""), el("td", { "data-name": aborts ? "nearest" : "bound" }, aborts ? latest?.nearest_text || "" : latest?.bound_text || latest?.problem || ""));
    }
    faultRows() {
        const steps = [...this.fold.steps.values()];
        if (!steps.length)
            return [el("p", { class: "empty" }, "None is planned yet.")];
        return [el("table", { class: "fold" }, el("thead", {}, el("tr", {}, el("th", {}, "Fault"), el("th", {}, "Host"), el("th", {}, "State"), el("th", {}, "Seen"))), el("tbody", {}, ...steps.map(step => {
                const active = step.injecting !== null && step.reverted === null;
                return el("tr", {}, el("td", {}, step.name, step.undoable ? null
                    : el("span", { class: "word bad" }, " NOT UNDOABLE")), el("td", { class: "fit", "data-name": "host" }, step.host), el("td", { class: "fit" }, el("span", {
                    class: `word ${step.problem ? "bad" : active ? "warn" : step.reverted !== null ? "good"
                        : "plain"}`
                }, step.problem ? step.state.replace("_", " ") : active ? this.inForce()
                    : step.reverted !== null ? "put back" : "planned")), el("td", { class: "small" }, step.problem || step.text, step.problem && step.undos.length
                    ? el("pre", {}, `by hand: ${step.undos.join("\n")}`) : null));
            })))];
    }
    // Of a fault that was not seen to be put back.
    inForce() {
        return this.feed.state === "unfinished" ? "not known to be put back" : "in force";
    }
    hostRows() {
        const names = new Set([...this.fold.steps.values()].map(step => step.host));
        for (const name of this.fold.hosts.keys())
            names.add(name);
        if (!names.size)
            return [el("p", { class: "empty" }, "None yet.")];
        return [...names].map(name => {
            const checked = this.fold.hosts.get(name);
            const active = [...this.fold.steps.values()].filter(step => step.host === name && step.injecting !== null && step.reverted === null).length;
            const word = active ? badge(`${plural(active, "fault")} ${this.inForce()}`, "warn")
                : checked ? badge(checked.clean ? "clean" : "NOT CLEAN", checked.clean ? "good" : "bad")
                    : badge(this.fold.touched() ? "not checked yet" : "untouched");
            return el("div", { class: "step" }, el("div", { class: "line" }, el("h3", {}, name), word), checked?.lost ? el("p", { class: "refused small" }, `executor lost: ${checked.lost}`) : null, ...(checked?.residue || []).map((item) => el("div", { class: "small" }, el("p", { class: "refused" }, `left: ${item.what}`), el("pre", {}, item.command))), ...(checked?.changed_by_others || []).map((text) => el("p", { class: "muted small" }, `changed by others: ${text}`)));
        });
    }
}
// Schedules, what they will do, and what became of what they did.
function scheduleView() {
    const schedules = el("div");
    const firings = el("div");
    const fired = el("div");
    const element = el("div", { class: "stack" }, card("Schedules", schedules), el("div", { class: "columns" }, card("What became of past firings", fired), card("Next firings", firings)));
    const resume = (name) => askFor({
        title: `Resume ${name}`,
        text: ["It was paused by how its runs ended. It fires again from now on."],
        action: "Resume",
        act: async () => {
            await server.ask("POST", `schedules/${encodeURIComponent(name)}/resume`, {});
            await refresh();
        },
    });
    const scheduleRow = (one) => el("tr", {}, el("td", {}, el("b", {}, one.name)), el("td", { "data-name": "runs" }, fileName(one.experiment), one.leashed ? " (leashed: plans only)" : ""), el("td", { "data-name": "fires" }, one.trigger
        + (one.windows.length ? ` in ${one.windows.join(", ")}` : "")), el("td", { "data-name": "zone" }, one.time_zone), el("td", { "data-name": "next" }, one.next ? one.next.local : "never"), el("td", { class: "fit" }, one.paused
        ? el("span", {}, el("span", { class: "word warn" }, `${one.paused} `), el("button", { type: "button", "data-key": `resume ${one.name}`,
            click: () => resume(one.name) }, "Resume")) : ""));
    const firedRow = (one) => {
        const tone = one.exit_name ? exitTone(one.exit_name)
            : ["skipped", "missed"].includes(one.state) ? "warn" : "live";
        const word = badge(one.exit_name ? exitWord(one.exit_name) : one.state.toUpperCase(), tone);
        const inner = [word, el("span", { class: "name" }, one.schedule),
            el("span", { class: "when muted small" }, clockTime(Date.parse(one.due))),
            el("span", { class: "why muted small" }, one.reason)];
        return el("li", {}, one.run
            ? el("a", { class: "row", href: `#/run/${one.run}`, "data-key": one.run }, ...inner)
            : el("div", { class: "row" }, ...inner));
    };
    return {
        name: "schedule", element,
        refresh: async () => {
            const [all, next, past] = await Promise.all([server.get("schedules"),
                server.get("firings?days=90&limit=12"), server.get("firings/past?limit=50")]);
            fill(schedules, all, () => all.schedules.length
                ? [el("table", { class: "fold" }, el("thead", {}, el("tr", {}, ...["Name", "Runs", "Fires", "Zone", "Next", ""].map(name => el("th", {}, name)))), el("tbody", {}, ...all.schedules.map(scheduleRow)))]
                : [el("p", { class: "empty" }, "This server has no schedule file: ", el("code", {}, "ordeal serve --schedule FILE"))]);
            const minute = Math.floor(server.now() / 30000);
            fill(firings, [next, minute], () => next.firings.length
                ? [el("ul", { class: "rows" }, ...next.firings.map(firingRow))]
                : [el("p", { class: "empty" }, "None within 90 days.")]);
            fill(fired, past, () => past.firings.length
                ? [el("ul", { class: "rows" }, ...past.firings.map(firedRow))]
                : [el("p", { class: "empty" }, "Nothing has fired yet.")]);
        },
    };
}
// A new run: the text, its mistakes at their lines, the plan, and only then the start.
const kLineHeight = 12.5 * 1.55;
function submitView() {
    const text = el("textarea", { id: "experiment", spellcheck: "false", autocomplete: "off",
        "aria-describedby": "problems" });
    const numbers = el("div", { class: "numbers", "aria-hidden": "true" });
    const file = el("input", { type: "file", id: "file", accept: ".yaml,.yml,text/yaml" });
    const vars = el("textarea", { id: "vars", rows: "2", spellcheck: "false",
        placeholder: "url=http://127.0.0.1:8080/" });
    const mode = el("select", { id: "mode" }, el("option", { value: "run" }, "run: inject"), el("option", { value: "baseline-only" }, "baseline only: measure, inject nothing"), el("option", { value: "control" }, "control: the whole run with zero magnitudes"));
    const problems = el("div", { id: "problems", role: "status" });
    const outcome = el("div", { class: "stack" });
    const check = el("button", { type: "button" }, "Check");
    const show = el("button", { type: "button", class: "primary" }, "Show the plan");
    let name = "experiment.yaml";
    let wrong = new Map();
    let planned = ""; // the body whose plan is shown: only that may be started
    const body = () => {
        const given = {};
        for (const line of vars.value.split("\n")) {
            const equals = line.indexOf("=");
            if (equals > 0)
                given[line.slice(0, equals).trim()] = line.slice(equals + 1).trim();
        }
        return { experiment: text.value, file: name, vars: given, mode: mode.value };
    };
    const drawNumbers = () => {
        const count = text.value.split("\n").length;
        fill(numbers, [count, [...wrong.keys()]], () => Array.from({ length: count }, (_, index) => {
            const line = index + 1;
            return el("div", {}, wrong.has(line)
                ? el("span", { class: "wrong", title: wrong.get(line) }, String(line)) : String(line));
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
    const goTo = (line, column) => {
        const before = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
        text.focus();
        text.setSelectionRange(before + Math.max(0, column - 1), before + Math.max(0, column - 1));
        text.scrollTop = Math.max(0, (line - 6) * kLineHeight);
    };
    const showProblems = (list, warnings = []) => {
        wrong = new Map(list.filter(one => one.line > 0).map(one => [one.line, one.text]));
        drawNumbers();
        problems.replaceChildren();
        if (!list.length && !warnings.length)
            return;
        const item = (one, word, tone) => el("li", {}, el("button", {
            type: "button", click: () => goTo(one.line, one.column)
        }, el("span", { class: `word ${tone}` }, one.line ? `${word} line ${one.line}, column ${one.column}: `
            : `${word}: `), one.text));
        problems.append(el("ul", { class: "problems" }, ...list.map(one => item(one, "error,", "bad")), ...warnings.map(one => item(one, "warning,", "warn"))));
    };
    const say = (message, bad = false) => {
        problems.replaceChildren(el("p", { class: bad ? "refused" : "muted" }, message));
    };
    const guarded = async (button, act) => {
        if (!text.value.trim()) {
            say("Paste an experiment or choose a file first.", true);
            text.focus();
            return;
        }
        button.disabled = true;
        try {
            await withToken(act);
        }
        catch (refused) {
            if (refused instanceof Refusal && refused.code === "invalid")
                showProblems(refused.more.problems);
            else
                say(refused instanceof Error ? refused.message : String(refused), true);
        }
        finally {
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
        if (!chosen)
            return;
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
    const element = el("div", { class: "stack" }, el("section", { class: "card stack" }, el("h2", {}, "Experiment"), el("div", {}, el("label", { for: "file" }, "File"), file), el("div", {}, el("label", { for: "experiment" }, "or its text (YAML)"), el("div", { class: "editor" }, numbers, text)), problems, el("div", { class: "columns" }, el("div", {}, el("label", { for: "vars" }, "Variables, NAME=VALUE, one a line"), vars), el("div", {}, el("label", { for: "mode" }, "Mode"), mode)), el("div", { class: "line" }, check, show)), outcome);
    return { name: "new", element };
}
function planCard(plan, body) {
    const danger = plan.experiment.without_net;
    const consent = el("input", { type: "checkbox", id: "consent" });
    const problem = el("p", { class: "refused", role: "alert" });
    const start = el("button", { type: "button", class: "primary" }, body.mode === "run" ? "Start this run" : `Start: ${body.mode}`);
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
                const begun = await server.ask("POST", "runs", { ...body, seed: plan.seed, yes: consent.checked }, 30000);
                location.hash = `#/run/${begun.run}`;
            });
        }
        catch (refused) {
            setText(problem, refused instanceof Error ? refused.message : String(refused));
        }
        finally {
            start.disabled = false;
        }
    });
    const stepBlock = (step) => el("div", { class: "step" }, el("div", { class: "line" }, el("h3", {}, step.name || step.step), badge(step.fault), badge(step.host), el("span", { class: "muted small" }, `${at(step.start)} for ${seconds(step.duration)}`)), ...step.summary.map((line) => el("p", {}, line)), ...step.warnings.map((line) => el("p", {}, el("span", { class: "word warn" }, "note "), line)), step.undoable ? null : el("p", { class: "refused" }, "NOT UNDOABLE (restore: none)"), step.targets.length ? el("details", { open: step.targets.length <= 5 }, el("summary", {}, `${plural(step.targets.length, "target")} of ${step.matched} that match`), ...step.targets.map((one) => el("p", { class: "small" }, one.text))) : null, el("details", {}, el("summary", {}, `${plural(step.changes.length, "change")} and how each is undone`), ...step.changes.map((line) => el("p", { class: "small" }, line)), ...step.undos.map((line) => el("pre", {}, line))));
    return el("section", { class: "card stack" }, el("h2", {}, "Plan: nothing has been touched"), el("div", { class: "line" }, plan.would_run ? badge("WOULD RUN", "good", true) : badge("WOULD BE REFUSED", "warn", true), el("h1", {}, plan.experiment.name)), plan.reason ? el("p", { class: "refused" }, plan.reason) : null, plan.plan ? el("p", { class: "muted" }, `baseline ${seconds(plan.plan.baseline)}, method `
        + `${seconds(plan.plan.method)}, recovery up to ${seconds(plan.plan.recovery_within)}; `
        + `seed ${plan.seed}`) : null, plan.plan ? el("div", {}, ...plan.plan.steps.map(stepBlock)) : null, plan.plan?.limits.length ? el("p", { class: "muted small" }, `limits: ${plan.plan.limits.join(" · ")}`) : null, ...(plan.plan?.unchecked || []).map((line) => el("p", { class: "small" }, el("span", { class: "word warn" }, "not checked "), line)), danger ? el("label", { class: "check" }, consent, `Run it although ${danger}`) : null, problem, el("div", { class: "line" }, plan.would_run || body.mode !== "run" ? start : null));
}
// What this machine can do, and what is left on it.
function hostView() {
    const left = el("div");
    const can = el("div");
    const element = el("div", { class: "stack" }, card("Left on this host", left), card("What it can do", can));
    let asked = 0;
    return {
        name: "host", element,
        refresh: async () => {
            if (asked && performance.now() - asked < 10000)
                return;
            asked = performance.now();
            const host = await server.get("host");
            const active = host.journals.flatMap((journal) => journal.steps
                .filter((step) => step.live)
                .map((step) => `${step.name} (${step.fault}) of run ${journal.run}`));
            fill(left, [host.dirty, host.orphans, active], () => [
                ...active.map((text) => el("p", {}, badge("in force", "warn"), ` ${text}`)),
                ...host.dirty.map((text) => el("p", {}, badge("LEFT", "bad"), ` ${text}`)),
                host.dirty.length ? el("p", {}, "Mend it with: ", el("code", {}, "sudo ordeal recover")) : null,
                host.dirty.length + active.length === 0
                    ? el("p", {}, badge("clean", "good"), " Nothing of ordeal's is on this host.") : null
            ]);
            fill(can, host.capabilities, () => [
                el("p", { class: "muted small" }, `${host.host}, kernel ${host.kernel}`),
                el("table", { class: "fold" }, el("tbody", {}, ...host.capabilities.map((one) => el("tr", {}, el("td", { class: "fit" }, el("span", { class: `word ${one.ok || one.instead ? "good" : "warn"}` }, one.ok ? "ok" : one.instead ? "other" : "no")), el("td", { class: "fit" }, el("b", {}, one.name)), el("td", {}, one.detail, one.instead ? el("p", {}, `instead: ${one.instead}`) : null, one.ok || !one.mend ? null
                    : el("pre", {}, `mend: ${one.mend}`))))))
            ]);
        },
    };
}
// The frame: which view is shown, what the server says, and since when it says nothing.
let view = null;
const places = {
    view: document.getElementById("view"),
    host: document.getElementById("host"),
    link: document.getElementById("link"),
    stale: document.getElementById("stale"),
    halted: document.getElementById("halted"),
    halt: document.getElementById("halt"),
};
function route() {
    const parts = location.hash.replace(/^#\/?/, "").split("/");
    view?.leave?.();
    document.title = "ordeal";
    if (parts[0] === "run" && /^r-[0-9]{4}-[0-9]{4}-[0-9a-f]{4}$/.test(parts[1] || "")) {
        view = new RunView(parts[1]);
    }
    else if (parts[0] === "schedule")
        view = scheduleView();
    else if (parts[0] === "new")
        view = submitView();
    else if (parts[0] === "host")
        view = hostView();
    else
        view = runsView();
    places.view.replaceChildren(view.element);
    for (const link of document.querySelectorAll("nav a")) {
        if (link.dataset.view === view.name)
            link.setAttribute("aria-current", "page");
        else
            link.removeAttribute("aria-current");
    }
    refresh();
}
// What every view shows, and what this one does. One at a time: a slow answer must not overtake.
let refreshing = null;
function refresh() {
    refreshing = refreshing || refreshNow().finally(() => { refreshing = null; });
    return refreshing;
}
async function refreshNow() {
    try {
        const [health, halt] = await Promise.all([server.get("health"), server.get("halt")]);
        server.health = health;
        server.halt = halt;
        server.skew = Date.parse(health.now) - Date.now();
        await view?.refresh?.();
        server.heard = performance.now();
        server.refused = false;
    }
    catch (problem) {
        // It shows by its age; what is on the page stays, and is said to be old.
        server.refused = problem instanceof Refusal && problem.code === "token_required";
        if (server.refused && !asked_for_token) {
            asked_for_token = true;
            wantToken();
        }
    }
    showState();
}
function showState() {
    const stale = server.isStale();
    const age = Math.round(server.silent() / 1000);
    places.link.className = `link ${stale || server.refused ? "lost" : "live"}`;
    fill(places.link, [server.refused, stale, server.heard > 0, stale ? age : 0], () => [
        server.refused ? el("button", { type: "button", id: "give-token", click: () => { wantToken(); } }, "Give the token")
            : stale ? (server.heard ? `no answer for ${age} s` : "connecting ...") : "live"
    ]);
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
        el("p", {}, el("b", {}, stale ? "HALTED when last heard: " : "HALTED: "), server.halt.reason, ". Nothing is injected, and nothing starts."),
        el("button", { type: "button", id: "lift", click: askLift }, "Lift the halt")
    ] : []);
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
