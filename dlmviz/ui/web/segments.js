// Segments: islands of written tokens. A bar on the position axis, and their number over the steps.
// Also what strips on the position axis share: insets, sharp canvases, colours, ticks.

import { el, named } from "./dom.js";
import { many, say } from "./say.js";
import { choose, goTo } from "./store.js";

export const LEFT = 28; // insets of every strip, so that positions stand above each other
export const RIGHT = 6;
const INKS = ["paper", "well", "new", "muted", "rule", "text", "accent", "set"];
const BAR = 14, PLOT = { top: 8, bottom: 20 };

/** A 2-D context scaled to the screen, cleared, with the size in CSS pixels; null while hidden. */
export function sheet(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
  if (width <= LEFT + RIGHT) return null;
  const wide = Math.round(width * ratio), high = Math.round(height * ratio);
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return { g, width, height };
}

/** The colours of the theme and the font, by name. */
export function inks(node) {
  const style = getComputedStyle(node);
  return { ...Object.fromEntries(INKS.map((name) => [name, style.getPropertyValue(`--dv-${name}`).trim()])), family: style.fontFamily };
}

/** Calls `draw` at most once a frame, only while the node is in sight and a run is shown. */
export function lazily(node, store, draw) {
  let seen = false, waiting = 0;
  const ask = () => {
    if (seen && store.state.run && !waiting) waiting = requestAnimationFrame(() => { waiting = 0; draw(store.state); });
  };
  new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; ask(); }, { rootMargin: "200px" }).observe(node);
  new ResizeObserver(ask).observe(node);
  return ask;
}

/** Where positions stand on a strip of this width: {cw, x(pos) left edge, at(x) position or null}. */
export function axis(run, width) {
  const cw = (width - LEFT - RIGHT) / (run.length - run.offset);
  return {
    cw, x: (pos) => LEFT + (pos - run.offset) * cw,
    at: (x) => { const pos = run.offset + Math.floor((x - LEFT) / cw); return pos >= run.offset && pos < run.length ? pos : null; },
  };
}

/** Numbers under a strip: round positions, and a word at the end. */
export function positions(g, run, width, y, ink) {
  const { cw, x } = axis(run, width), columns = run.length - run.offset;
  const room = Math.max(2, (width - LEFT - RIGHT) / 60);
  const stride = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].find((s) => columns / s <= room) ?? columns;
  g.fillStyle = ink.muted; g.font = `11px ${ink.family}`; g.textBaseline = "top"; g.textAlign = "center";
  const end = width - RIGHT - g.measureText(say("position.axis")).width - 16;
  for (let pos = Math.ceil(run.offset / stride) * stride; pos < run.length; pos += stride)
    if (x(pos) + cw / 2 < end) g.fillText(pos, x(pos) + cw / 2, y);
  g.textAlign = "right"; g.fillText(say("position.axis"), width - RIGHT, y);
}

/** Segments after a step, as [start, end): disjoint runs of unmasked tokens in the generated part. */
export function segments(run, step) {
  const found = [];
  for (let pos = run.promptLength, start = -1; pos <= run.length; pos++) {
    const filled = pos < run.length && !run.masked(step, pos);
    if (filled && start < 0) start = pos;
    if (!filled && start >= 0) { found.push([start, pos]); start = -1; }
  }
  return found;
}

const counted = new WeakMap();

/** Number of segments after every step; entry 0 is the canvas before the first. */
export function counts(run) {
  const known = counted.get(run) ?? [];
  counted.set(run, known);
  for (let step = known.length; step <= run.steps; step++) known.push(segments(run, step).length);
  return known;
}

/** The bar: every segment a block, with its length where there is room. */
function drawBar(canvas, ink, { run, step, pos, hover }) {
  const field = sheet(canvas);
  if (!field) return;
  const { g, width } = field, { cw, x } = axis(run, width);
  const shown = hover?.pos ?? pos;
  g.fillStyle = ink.well; g.fillRect(LEFT, 2, width - LEFT - RIGHT, BAR);
  g.font = `700 10px ${ink.family}`; g.textAlign = "center"; g.textBaseline = "middle";
  const gap = Math.min(1, cw / 4);
  for (const [start, end] of segments(run, step)) {
    const from = Math.max(start, run.offset), w = (end - from) * cw - 2 * gap;
    if (w <= 0) continue;
    g.fillStyle = ink.muted; g.fillRect(x(from) + gap, 2, w, BAR);
    g.fillStyle = ink.paper;
    if (w > 18) g.fillText(end - start, x(from) + gap + w / 2, 2 + BAR / 2 + 0.5);
  }
  g.fillStyle = ink.new;
  for (const written of run.written(step)) g.fillRect(x(written) + gap, 2 + BAR, Math.max(1, cw - 2 * gap), 3);
  g.strokeStyle = ink.text; g.lineWidth = 1.5;
  if (shown !== null) g.strokeRect(x(shown), 1, Math.max(cw, 2), BAR + 2);
  positions(g, run, width, BAR + 10, ink);
}

const plotted = (run, live, width, height, top) => {
  const last = live ? Math.max(16, 2 ** Math.ceil(Math.log2(run.steps + 1))) : Math.max(1, run.steps);
  const w = width - LEFT - RIGHT, h = height - PLOT.top - PLOT.bottom;
  return { last, w, h, x: (s) => LEFT + (w * s) / last, y: (n) => PLOT.top + h * (1 - n / top) };
};

/** The count over the steps, as a staircase with the cursor on it. */
function drawPlot(canvas, ink, { run, step, live }) {
  const field = sheet(canvas);
  if (!field) return;
  const { g, width, height } = field, known = counts(run), top = Math.max(2, ...known);
  const { last, w, x, y } = plotted(run, live, width, height, top);
  g.font = `11px ${ink.family}`; g.textBaseline = "middle"; g.textAlign = "right";
  for (const level of [0, Math.round(top / 2), top]) {
    g.fillStyle = ink.rule; g.fillRect(LEFT, y(level) - 0.5, w, 1);
    g.fillStyle = ink.muted; g.fillText(level, LEFT - 6, y(level));
  }
  g.beginPath();
  known.forEach((count, s) => { if (s) g.lineTo(x(s), y(known[s - 1])); g.lineTo(x(s), y(count)); });
  g.strokeStyle = ink.accent; g.lineWidth = 2; g.lineJoin = "round"; g.stroke();
  g.strokeStyle = ink.muted; g.lineWidth = 1; g.setLineDash([3, 3]);
  g.beginPath(); g.moveTo(x(step), PLOT.top - 4); g.lineTo(x(step), y(0)); g.stroke(); g.setLineDash([]);
  g.beginPath(); g.arc(x(step), y(known[step]), 4.5, 0, 7);
  g.fillStyle = ink.accent; g.fill(); g.strokeStyle = ink.paper; g.lineWidth = 2; g.stroke();
  g.fillStyle = ink.muted; g.textBaseline = "top"; g.textAlign = "left"; g.fillText("0", LEFT, y(0) + 6);
  g.textAlign = "right"; g.fillText(say("segments.last", { step: last }), width - RIGHT, y(0) + 6);
}

/** What the pointer is at on the bar: which segment, from where to where, and its text. */
function told({ run, step }, pos) {
  const found = segments(run, step), index = found.findIndex(([start, end]) => pos >= start && pos < end);
  if (index < 0) return say("segments.masked", { pos });
  const [start, end] = found[index];
  const text = Array.from(run.states[step].slice(start, end), (token) => run.piece(token) ?? "∅").join("").trim();
  return many("segments.told", end - start, { i: index + 1, of: found.length, from: start, to: end - 1, text: named(text.slice(0, 60)).replaceAll("␣", " ") });
}

/** The sentence under the panel's name. */
function summary(run, step) {
  const known = counts(run), most = Math.max(...known);
  return many("segments.summary", known[step], { step, most, at: known.indexOf(most) });
}

function fill(table, { run }) {
  const rows = counts(run).map((count, s) => el("tr", {}, el("th", { scope: "row" }, String(s)), el("td", {}, String(count))));
  table.replaceChildren(el("table", {}, el("caption", {}, say("segments.every")),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, say("step")), el("th", { scope: "col" }, say("segments.count")))), el("tbody", {}, ...rows)));
}

export function makeSegments(store) {
  const bar = el("canvas", { className: "dv-bar", role: "img" }), plot = el("canvas", { className: "dv-plot", role: "img" });
  const now = el("p", { className: "dv-quiet dv-now" }), read = el("p", { className: "dv-read" });
  const table = el("div", { className: "dv-table", tabIndex: 0, role: "region", "aria-label": say("segments.every") });
  const twin = el("details", { className: "dv-twin" }, el("summary", {}, say("segments.table")), table);
  const panel = el("section", { className: "dv-panel dv-segments", "aria-label": say("segments") },
    el("header", {}, el("h3", {}, say("segments")), now),
    el("p", { className: "dv-quiet" }, say("segments.means")),
    bar, plot, read, twin);
  let ink = null;
  const ask = lazily(panel, store, (state) => { ink ??= inks(panel); drawBar(bar, ink, state); drawPlot(plot, ink, state); });
  store.on((state, changed) => {
    const { run, step } = state;
    if (!run || !["run", "step", "grown", "live", "theme", "pos", "hover"].some((key) => changed.has(key))) return;
    if (changed.has("theme")) ink = null;
    if (["run", "step", "grown"].some((key) => changed.has(key))) {
      now.textContent = summary(run, step);
      bar.setAttribute("aria-label", many("segments.bar", counts(run)[step], { step }));
      plot.setAttribute("aria-label", say("segments.plot", { steps: run.steps }));
      plot.dataset.count = counts(run)[step];
      if (twin.open && !(changed.size === 1 && changed.has("step"))) fill(table, state);
    }
    ask();
  });
  twin.addEventListener("toggle", () => { if (twin.open && store.state.run) fill(table, store.state); });
  const column = (event) => store.state.run && axis(store.state.run, bar.clientWidth).at(event.offsetX);
  bar.addEventListener("pointermove", (event) => {
    const pos = column(event);
    store.set({ hover: pos === null ? null : { pos } });
    read.textContent = pos === null ? "" : told(store.state, pos);
  });
  bar.addEventListener("click", (event) => { const pos = column(event); if (pos !== null) choose(store, pos); });
  const at = ({ offsetX }) => {
    const { run, live } = store.state;
    if (!run) return null;
    const { last, w } = plotted(run, live, plot.clientWidth, plot.clientHeight, 1);
    return Math.max(0, Math.min(run.steps, Math.round(((offsetX - LEFT) / w) * last)));
  };
  plot.addEventListener("pointermove", (event) => {
    const step = at(event);
    if (step !== null) read.textContent = many("segments.at", counts(store.state.run)[step], { step });
  });
  plot.addEventListener("click", (event) => { const step = at(event); if (step !== null) goTo(store, step); });
  for (const strip of [bar, plot]) strip.addEventListener("pointerleave", () => { read.textContent = ""; store.set({ hover: null }); });
  return panel;
}
