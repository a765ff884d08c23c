// Style and script of the HTML report. The page names both by their hash and allows nothing else.
#include "engine/report/html.hpp"

namespace ordeal::report {

const std::string_view kHtmlStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #ffffff; --text: #1d2126; --muted: #626b76; --faint: #8d95a0;
  --rule: #e4e6e9; --grid: #eceef0; --line: #1f5fa8; --line-soft: #9dbfe3; --bound: #6d7580;
  --good: #17744a; --good-bg: #e3f3ea; --bad: #b3261e; --bad-bg: #fbe9e7;
  --warn: #8a5a00; --warn-bg: #fdf1d8; --gap: #b9bfc6;
  --f0: #d98a1f; --f1: #7d5fc7; --f2: #1f9288; --f3: #c2558c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131619; --card: #1b1f23; --text: #e7e9eb; --muted: #a0a8b2; --faint: #7c8590;
    --rule: #2d3238; --grid: #262b30; --line: #6cb0f5; --line-soft: #35597f; --bound: #99a1ab;
    --good: #5fce97; --good-bg: #173527; --bad: #ff8a80; --bad-bg: #43201d;
    --warn: #f0bf5c; --warn-bg: #3b2f14; --gap: #59616b;
    --f0: #e8a94f; --f1: #a78df0; --f2: #45b8ac; --f3: #e482b4;
  }
}
* { box-sizing: border-box; }
html { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
body { margin: 0; background: var(--page); color: var(--text);
  font-variant-numeric: tabular-nums; }
main { max-width: 1216px; margin: 0 auto; padding: 24px 32px 64px; }
h1 { font-size: 25px; line-height: 1.2; font-weight: 650; margin: 0; letter-spacing: -0.012em;
  flex: 1; overflow-wrap: anywhere; }
h2 { font-size: 12px; font-weight: 650; letter-spacing: 0.06em; text-transform: uppercase;
  color: var(--muted); margin: 0 0 10px; }
p { margin: 0; }
a { color: var(--line); text-underline-offset: 2px; }
code, pre { font: 12.5px/1.55 ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.headline { display: flex; gap: 14px; align-items: center; }
.badge { font-weight: 700; font-size: 14px; letter-spacing: 0.05em; padding: 5px 13px;
  border-radius: 6px; white-space: nowrap; color: #fff; background: var(--muted); }
.badge.good { background: #17744a; } .badge.bad { background: #b3261e; }
.badge.warn { background: #8a5a00; }
.when { color: var(--muted); white-space: nowrap; }
.hypothesis { margin: 10px 0 0; font-size: 16px; color: var(--text); max-width: 88ch; }
.meta { display: flex; flex-wrap: wrap; gap: 4px 16px; margin-top: 8px; color: var(--muted);
  font-size: 13px; align-items: center; }
.meta .grow { flex: 1; }
.chip { border-radius: 999px; padding: 3px 12px; font-size: 13px; font-weight: 600;
  background: var(--grid); color: var(--muted); white-space: nowrap; }
.chip.good { background: var(--good-bg); color: var(--good); }
.chip.bad { background: var(--bad-bg); color: var(--bad); }
.chip.warn { background: var(--warn-bg); color: var(--warn); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: 16px 20px; margin-top: 14px; }
.why { display: flex; gap: 20px; align-items: baseline; padding: 12px 20px; }
.why h2 { margin: 0; } .why p { font-size: 16px; overflow-wrap: anywhere; }
.alarm { border-color: var(--bad); background: var(--bad-bg); }
.alarm h2 { color: var(--bad); }
.alarm pre { margin-top: 8px; }
.charts { padding: 12px 20px 8px; position: relative; outline-offset: 2px; }
.row { display: grid; grid-template-columns: 148px minmax(0, 1fr); align-items: center; }
td:first-child { width: 66px; }
.row .name { font-weight: 600; font-size: 13px; padding-right: 12px; overflow-wrap: anywhere;
  line-height: 1.3; }
.row .name small { display: block; font-weight: 400; color: var(--muted); font-size: 12px;
  min-height: 1.3em; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg.none { width: 0; height: 0; position: absolute; }
svg text { font: 11px system-ui, "Liberation Sans", sans-serif; fill: var(--muted); }
svg .phase { font-weight: 600; fill: var(--text); }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .edge { stroke: var(--rule); stroke-width: 1; }
svg .l { fill: none; stroke: var(--line); stroke-width: 1.8; stroke-linejoin: round;
  stroke-linecap: round; }
svg .soft { stroke: var(--line-soft); stroke-width: 1.5; }
svg .breach { stroke: var(--bad); stroke-width: 2.6; }
svg .dip { stroke: var(--f0); stroke-width: 2.2; }
svg .dot { fill: var(--line); } svg .dot.soft { fill: var(--line-soft); }
svg .bound { stroke: var(--bound); stroke-width: 1.2; stroke-dasharray: 5 4; }
svg .limit { stroke: var(--bad); stroke-width: 1; stroke-dasharray: 2 3; }
svg .boundtext { fill: var(--bound); } svg .limittext { fill: var(--bad); }
svg .abort { stroke: var(--bad); stroke-width: 2; } svg .aborttext { fill: var(--bad);
  font-weight: 650; }
svg .cursor { stroke: var(--text); stroke-width: 1; opacity: 0; }
.charts.on svg .cursor { opacity: 0.55; }
svg .hatch { stroke: var(--gap); stroke-width: 2; }
svg .gap { fill: url(#hatch); }
svg .b0 { fill: var(--f0); } svg .b1 { fill: var(--f1); }
svg .b2 { fill: var(--f2); } svg .b3 { fill: var(--f3); }
svg .band { opacity: 0.13; } svg .edgeband { opacity: 0.3; } svg .bar { opacity: 0.9; }
svg .bartext { fill: #fff; font-weight: 600; }
@media (prefers-color-scheme: dark) { svg .bartext { fill: #131619; } }
svg .barout { fill: var(--text); font-weight: 600; }
.two { display: grid; grid-template-columns: minmax(0, 1.9fr) minmax(0, 1fr); gap: 14px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
th { text-align: left; font-weight: 500; color: var(--muted); font-size: 12px;
  padding: 0 10px 5px 0;
  white-space: nowrap; }
td { padding: 6px 10px 6px 0; border-top: 1px solid var(--rule); vertical-align: top; }
th.n, td.n { text-align: right; } td.n { white-space: nowrap; }
.sub { color: var(--muted); font-size: 12px; } td .sub { display: block; }
.word { display: inline-block; min-width: 42px; font-weight: 650; font-size: 12px; }
.word.good { color: var(--good); } .word.bad { color: var(--bad); }
.word.warn { color: var(--warn); }
dl { margin: 0; display: grid; grid-template-columns: 84px minmax(0, 1fr); gap: 4px 16px;
  font-size: 13.5px; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
.effect { font-size: 13.5px; margin-bottom: 10px; overflow-wrap: anywhere; }
.effect b { font-weight: 650; } .effect span.sub { display: block; color: var(--muted); }
.step + .step { margin-top: 18px; padding-top: 16px; border-top: 1px solid var(--rule); }
.step h3 { font-size: 15px; margin: 0 0 6px; } .step h3 small { font-weight: 400;
  color: var(--muted); margin-left: 8px; }
.t td:first-child { white-space: nowrap; color: var(--muted); width: 92px; }
.t .bad { color: var(--bad); } .t .warning { color: var(--warn); } .t .good { color: var(--good); }
footer { margin-top: 22px; color: var(--faint); font-size: 12px; }
@media (max-width: 860px) { .two { grid-template-columns: minmax(0, 1fr); }
  .row { grid-template-columns: 96px minmax(0, 1fr); } main { padding: 16px; }
  .headline { flex-wrap: wrap; } }
@media (max-width: 560px) { .headline h1 { flex: 1 0 100%; order: 1; } }
@media print {
  @page { size: A4; margin: 12mm; }
  :root { --page: #fff; --card: #fff; --text: #111; --muted: #555; --faint: #777; --rule: #ccc;
    --grid: #e8e8e8; --line: #1f5fa8; --line-soft: #9dbfe3; --bound: #666; --good: #17744a;
    --good-bg: #e3f3ea; --bad: #b3261e; --bad-bg: #fbe9e7; --warn: #8a5a00; --warn-bg: #fdf1d8;
    --gap: #aaa; --f0: #d98a1f; --f1: #7d5fc7; --f2: #1f9288; --f3: #c2558c; }
  html { font-size: 12px; } main { padding: 0; max-width: none; }
  .card { break-inside: avoid; padding: 10px 12px; margin-top: 8px; } .long { break-inside: auto; }
  svg .cursor { display: none; } svg .bartext { fill: #fff; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

const std::string_view kHtmlScript = R"js(
"use strict";
(function () {
  var box = document.getElementById("charts");
  var data = JSON.parse(document.getElementById("data").textContent);
  if (!box || !data.end) { return; }
  var lines = box.querySelectorAll(".cursor");
  var at = data.end / 2;

  function stamp(t) {
    var tenths = Math.floor(t * 10 + 0.0001), s = Math.floor(tenths / 10);
    var rest = s % 60;
    return "+" + Math.floor(s / 60) + ":" + (rest < 10 ? "0" : "") + rest + "." + tenths % 10;
  }
  // The latest point that began at or before t, unless that is longer ago than it is valid.
  function look(points, t) {
    var low = 0, high = points.length;
    while (low < high) {
      var middle = (low + high) >> 1;
      if (points[middle][0] <= t) { low = middle + 1; } else { high = middle; }
    }
    if (low === 0) { return null; }
    var point = points[low - 1];
    return t - point[0] <= data.valid ? point : null;
  }
  function show(t) {
    at = Math.max(0, Math.min(data.end, t));
    var x = data.left + at / data.end * (data.right - data.left);
    lines.forEach(function (line) { line.setAttribute("x1", x); line.setAttribute("x2", x); });
    box.classList.add("on");
    data.charts.forEach(function (chart) {
      var label = document.getElementById(chart.id);
      var point = look(chart.points, at);
      label.textContent = point ? point[1] : "no data";
    });
    document.getElementById("cursor-time").textContent = stamp(at);
  }
  function hide() {
    box.classList.remove("on");
    data.charts.forEach(function (chart) {
      document.getElementById(chart.id).textContent = chart.what;
    });
    document.getElementById("cursor-time").textContent = "";
  }
  box.addEventListener("pointermove", function (event) {
    var svg = box.querySelector(".row svg");
    var frame = svg.getBoundingClientRect();
    var x = (event.clientX - frame.left) / frame.width * data.width;
    if (x < data.left - 6 || x > data.right + 6) { hide(); return; }
    show((x - data.left) / (data.right - data.left) * data.end);
  });
  box.addEventListener("pointerleave", hide);
  box.addEventListener("blur", hide);
  box.addEventListener("keydown", function (event) {
    var step = event.shiftKey ? 10 : 1;
    if (event.key === "ArrowRight") { show(at + step); event.preventDefault(); }
    if (event.key === "ArrowLeft") { show(at - step); event.preventDefault(); }
    if (event.key === "Escape") { hide(); }
  });
})();
)js";

}  // namespace ordeal::report
