// Charts of SLIs over the time of a run: one point a second, bounds as dashed lines, faults as bands.
// Nothing is interpolated: a second without data is a gap, and hatched.

declare const uPlot: any;

interface Measure {
  key: string;
  title: string;
  unit: string;   // "%", "ms", "s", "B" or ""
  point: (second: Second) => number | null;
  bound: (condition: Condition) => number | null;
}

interface Bound { value: number; abort: boolean; }

function measuresOf(series: Series): Measure[] {
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
function boundOf(condition: Condition, sli: string, fits: (aggregate: string) => boolean): number | null {
  const bound = condition.latest?.bound;
  if (typeof bound !== "number") return null;
  const measure = condition.text.replace(/^host\([^)]*\)/, "host").split(/[\s<>=]/)[0];
  if (measure !== sli && !measure.startsWith(`${sli}.`)) return null;
  return fits(measure.slice(sli.length + 1)) ? bound : null;
}

function withUnit(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined) return "no data";
  if (unit === "flag") return value ? "up" : "down";
  if (unit === "%") return `${value >= 99.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)}%`;
  if (unit === "B") return `${(value / 1048576).toFixed(1)} MiB`;
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`;
}

function colors(): { [name: string]: string } {
  const style = getComputedStyle(document.documentElement);
  const out: { [name: string]: string } = {};
  for (const name of ["line", "muted", "grid", "rule", "bound", "bad", "gap", "text", "f0", "f1",
                      "f2", "f3"]) {
    out[name] = style.getPropertyValue(`--${name}`).trim();
  }
  return out;
}

class Chart {
  readonly element: HTMLElement;
  private readonly plotPlace = el("div", { class: "plot" });
  private readonly value = el("span", { class: "value" });
  private readonly boundText = el("span", { class: "bound" });
  private plot: any = null;
  private palette = colors();
  private data: [number[], (number | null)[]] = [[], []];
  private bounds: Bound[] = [];
  private gaps: number[] = [];
  private hovered: number | null = null;

  constructor(readonly measure: Measure, readonly fold: RunFold, readonly series: Series) {
    this.element = el("div", { class: "chart" },
                      el("div", { class: "head" }, el("h3", {}, measure.title), this.value,
                         this.boundText),
                      this.plotPlace);
    new ResizeObserver(() => this.resize()).observe(this.plotPlace);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.palette = colors();
      this.plot?.destroy();
      this.plot = null;
      this.update();
    });
  }

  update(): void {
    const last = Math.max(this.series.last, Math.floor(this.fold.now / 1e6) - 1);
    const xs: number[] = [];
    const ys: (number | null)[] = [];
    this.gaps = [];
    for (let x = 0; x <= last; ++x) {
      const second = this.series.seconds.get(x);
      const value = second ? this.measure.point(second) : null;
      xs.push(x);
      ys.push(value);
      if (second?.noData) this.gaps.push(x);
    }
    this.data = [xs, ys];
    this.bounds = [];
    const texts: string[] = [];
    for (const condition of this.fold.conditions) {
      const value = this.measure.bound(condition);
      if (value === null) continue;
      this.bounds.push({ value, abort: condition.list === "abort_if" });
      texts.push(condition.text);
    }
    setText(this.boundText, [...new Set(texts)].join(" · "));
    this.showValue();
    if (!this.plot && this.plotPlace.clientWidth > 0) this.make();
    if (this.plot) this.plot.setData(this.data);
  }

  private showValue(): void {
    const ys = this.data[1];
    let index = this.hovered;
    if (index === null) {  // the last whole second
      index = ys.length - 1;
      if (!this.fold.verdict && ys[index] === null && index > 0) index -= 1;
    }
    const text = ys.length ? withUnit(ys[index], this.measure.unit) : "";
    setText(this.value, this.hovered === null ? text : `${text} at ${at(index * 1e6).slice(0, -2)}`);
  }

  private resize(): void {
    if (!this.plot) this.update();
    else if (this.plotPlace.clientWidth !== this.plot.width) {
      this.plot.setSize({ width: this.plotPlace.clientWidth, height: 150 });
    }
  }

  private range(low: number | null, high: number | null): [number, number] {
    const all = this.bounds.map(bound => bound.value);
    if (low !== null) all.push(low);
    if (high !== null) all.push(high);
    if (this.measure.unit === "%") {
      const least = Math.min(100, ...all);
      return [least > 50 ? Math.max(0, 100 - 1.25 * Math.max(2, 100 - least)) : 0, 101];
    }
    const most = Math.max(0, ...all);
    return [Math.min(0, ...all), most > 0 ? most * 1.15 : 1];
  }

  private make(): void {
    const p = this.palette;
    const axis = { stroke: p.muted, grid: { stroke: p.grid, width: 1 }, ticks: { show: false },
                   font: "11px system-ui, sans-serif" };
    this.plot = new uPlot({
      width: this.plotPlace.clientWidth, height: 150,
      legend: { show: false },
      padding: [6, 20, 0, 0],
      cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false },
                sync: { key: "run" } },
      scales: { x: { time: false, range: (_: any, low: number, high: number) =>
                         [low || 0, Math.max(high || 0, 10)] },
                y: { range: (_: any, low: number, high: number) => this.range(low, high) } },
      axes: [{ ...axis, size: 26, values: (_: any, ticks: number[]) => ticks.map(
                   tick => `+${Math.floor(tick / 60)}:${String(tick % 60).padStart(2, "0")}`),
               incrs: [1, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600] },
             { ...axis, size: 54, values: (_: any, ticks: number[]) => ticks.map(
                   tick => this.tickText(tick)) }],
      series: [{}, { stroke: p.line, width: 1.8, spanGaps: false,
                     points: { show: (plot: any) => plot.data[0].length < 40, size: 4, fill: p.line } }],
      hooks: {
        drawClear: [(plot: any) => this.drawBehind(plot)],
        draw: [(plot: any) => this.drawBounds(plot)],
        setCursor: [(plot: any) => {
          this.hovered = typeof plot.cursor.idx === "number" ? plot.cursor.idx : null;
          this.showValue();
        }],
      },
    }, this.data, this.plotPlace);
  }

  private tickText(tick: number): string {
    if (this.measure.unit === "%" && tick > 100) return "";  // room above the line, and no value
    if (this.measure.unit === "flag") return tick === 1 ? "up" : tick === 0 ? "down" : "";
    return this.measure.unit === "B" ? (tick / 1048576).toFixed(0) : String(+tick.toFixed(3));
  }

  // Fault bands, begins of phases, and hatching where there is no data.
  private drawBehind(plot: any): void {
    const context: CanvasRenderingContext2D = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    const x = (us: number) => plot.valToPos(us / 1e6, "x", true);
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
      if (!["fault", "recovery"].includes(phase.phase)) continue;
      context.beginPath();
      context.moveTo(x(phase.from), top);
      context.lineTo(x(phase.from), top + height);
      context.stroke();
    }
    context.strokeStyle = this.palette.gap;
    for (const second of this.gaps) this.hatch(context, x(second * 1e6), x((second + 1) * 1e6), top, height);
    context.restore();
  }

  private hatch(context: CanvasRenderingContext2D, from: number, to: number, top: number,
                height: number): void {
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

  private drawBounds(plot: any): void {
    const context: CanvasRenderingContext2D = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    context.save();
    context.lineWidth = devicePixelRatio;
    for (const bound of this.bounds) {
      const y = plot.valToPos(bound.value, "y", true);
      if (y < top - 1 || y > top + height + 1) continue;
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
  readonly element = el("div", { class: "charts" });
  private readonly all = new Map<string, Chart>();

  constructor(readonly fold: RunFold) {}

  update(): void {
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
