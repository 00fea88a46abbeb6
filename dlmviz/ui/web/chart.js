// One chart as SVG: scales, ticks, lines with gaps, a cursor and a brush. Knows nothing of jobs.

import { decimal, locale } from "./say.js";

const HEIGHT = 176, LEFT = 54, RIGHT = 24, TOP = 10, BOTTOM = 36;

/** A number in few characters; a dash for what is none. */
export function short(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return decimal(value.toExponential(size < 1e-3 ? 1 : 2).replace("e+", "e").replace(".0e", "e").replaceAll("-", "−"));
  if (size >= 1000) return Math.round(value).toLocaleString(locale);
  return decimal(+value.toPrecision(3)).replace("-", "−");
}

/** [low, high] of an axis that holds these values, all above 0: from 0, or whole decades. */
export function nice(values, log) {
  if (!values.length) return log ? [0.1, 1] : [0, 1];
  const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, 0]);
  if (!log) return [0, high * 1.05];
  return [10 ** Math.floor(Math.log10(low)), 10 ** Math.max(Math.floor(Math.log10(low)) + 1, Math.ceil(Math.log10(high)))];
}

/** Round values within [low, high]: about `count` of them. */
function ticks([low, high], count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const by = [1, 2, 5, 10].map((m) => m * power).find((step) => step >= raw * 0.999);
  const first = Math.ceil(low / by - 1e-9);
  return Array.from({ length: Math.floor(high / by + 1e-9) - first + 1 }, (_, i) => +((first + i) * by).toPrecision(12));
}

function decades([low, high]) {
  const first = Math.round(Math.log10(low)), last = Math.round(Math.log10(high)), by = Math.ceil((last - first) / 5);
  return Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, i) => 10 ** (first + i * by));
}

/** Points as unbroken pieces: what is no number above 0 parts them. */
export function line(points) {
  const pieces = [[]];
  for (const [x, y] of points) {
    if (typeof y === "number" && Number.isFinite(y) && y > 0) pieces.at(-1).push([x, y]);
    else if (pieces.at(-1).length) pieces.push([]);
  }
  return { pieces: pieces.filter((piece) => piece.length) };
}

/** Draws a chart into its stage. The answer moves the cursor and the brush, and knows the step at a
 * place [px]. */
export function paint(stage, { x, y, log, lines, words }) {
  const width = Math.max(160, stage.clientWidth), right = width - RIGHT, bottom = HEIGHT - BOTTOM;
  const across = (v) => LEFT + ((right - LEFT) * (v - x[0])) / (x[1] - x[0]);
  const share = log ? (v) => Math.log(v / y[0]) / Math.log(y[1] / y[0]) : (v) => (v - y[0]) / (y[1] - y[0]);
  const down = (v) => bottom - (bottom - TOP) * Math.max(0, Math.min(1, share(v)));
  const svg = node("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": words.chart });
  for (const v of log ? decades(y) : ticks(y, 4)) svg.append(node("path", { class: "di-rule", d: `M${LEFT} ${down(v)}H${right}` }), text(LEFT - 7, down(v) + 4, short(v), "end"));
  for (const v of ticks(x, Math.max(2, Math.floor(width / 90))).filter(Number.isInteger)) svg.append(node("path", { class: "di-tick", d: `M${across(v)} ${bottom}v5` }), text(across(v), bottom + 18, v.toLocaleString(locale), "middle"));
  svg.append(node("path", { class: "di-axis", d: `M${LEFT} ${bottom}H${right}` }), text((LEFT + right) / 2, HEIGHT - 3, words.step, "middle"));
  for (const { kind, pieces, dots } of lines) {
    const way = (piece) => `M${piece.map(([px, py]) => `${across(px).toFixed(1)} ${down(py).toFixed(1)}`).join("L")}${piece.length === 1 ? "h0" : ""}`;
    svg.append(node("path", { class: `di-line di-${kind}`, d: pieces.map(way).join("") }));
    if (dots) for (const [px, py] of pieces.flat()) svg.append(node("circle", { class: `di-dot di-${kind}`, cx: across(px), cy: down(py), r: 3 }));
  }
  const brush = node("rect", { class: "di-brush", y: TOP, height: bottom - TOP, width: 0, x: 0 }), cursor = node("path", { class: "di-cursor", d: "" });
  svg.append(brush, cursor);
  stage.replaceChildren(svg);
  const clamp = (v) => Math.max(x[0], Math.min(x[1], v));
  return {
    step: (px) => clamp(x[0] + ((px * (width / Math.max(1, stage.clientWidth)) - LEFT) * (x[1] - x[0])) / (right - LEFT)),
    cursor: (step) => cursor.setAttribute("d", step === null || step < x[0] || step > x[1] ? "" : `M${across(step)} ${TOP}V${bottom}`),
    brush: (from, to) => {
      const ends = from === null || from === undefined ? [0, 0] : [across(Math.min(from, to)), across(Math.max(from, to))];
      brush.setAttribute("x", ends[0]);
      brush.setAttribute("width", ends[1] - ends[0]);
    },
  };
}

function node(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function text(x, y, content, anchor) {
  const made = node("text", { x, y, "text-anchor": anchor });
  made.textContent = content;
  return made;
}
