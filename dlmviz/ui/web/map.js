// The time x position map: one row a step, one column a position, on a plain 2-D canvas.

import { el } from "./dom.js";
import { RGB, bin, number, percent } from "./palette.js";
import { choose, focusOf, goTo } from "./store.js";

const LEFT = 34, BOTTOM = 22, TOP = 6, RIGHT = 6;
const METRICS = {
  confidence: ["confidence", "How sure the model was, wherever it was still asked."],
  entropy: ["entropy", "How undecided the model was, wherever it was still asked."],
  reveal: ["reveal step", "When each position was written; blank while masked."],
};

export function makeMap(store) {
  const field = el("canvas", { className: "dv-field", role: "img" });
  const caption = el("p", { className: "dv-quiet" });
  const read = el("p", { className: "dv-read" });
  const scale = el("div", { className: "dv-scale" });
  const metric = el("select", { className: "dv-select", "aria-label": "What the map shows", onchange: (event) => store.set({ metric: event.target.value }) },
    ...Object.entries(METRICS).map(([key, [label]]) => el("option", { value: key }, label)));
  const table = el("div", { className: "dv-table" });
  const details = el("details", { className: "dv-twin" }, el("summary", {}, "Show as table"), table);
  const panel = el("section", { className: "dv-panel dv-map", "aria-label": "Map of steps and positions" },
    el("header", {}, el("h3", {}, "Every step, every position"), metric),
    caption, el("div", { className: "dv-frame" }, field), el("footer", {}, scale, read), details);
  const pixels = document.createElement("canvas"), base = document.createElement("canvas");
  const ink = {};
  let rastered = 0; // rows of `pixels` that stand

  /** Fills the off-screen picture, one pixel a cell, from row `from` on. */
  function raster(run, name, from) {
    const columns = run.length - run.offset, rows = Math.max(1, run.steps);
    const context = pixels.getContext("2d", { willReadFrequently: true });
    const old = from ? context.getImageData(0, 0, columns, from) : null;
    pixels.width = columns; pixels.height = rows;
    if (old) context.putImageData(old, 0, 0);
    if (rows <= from) return;
    const image = context.createImageData(columns, rows - from);
    const top = maximum(run, name);
    for (let row = from; row < run.steps; row++)
      for (let column = 0; column < columns; column++) {
        const value = run.value(name, row + 1, run.offset + column);
        if (value === undefined || Number.isNaN(value)) continue;
        const [r, g, b] = RGB[bin(value / top)], at = 4 * ((row - from) * columns + column);
        image.data[at] = r; image.data[at + 1] = g; image.data[at + 2] = b; image.data[at + 3] = 255;
      }
    context.putImageData(image, 0, from);
    rastered = run.steps;
  }

  const shape = (state) => {
    const w = field.clientWidth - LEFT - RIGHT, h = field.clientHeight - TOP - BOTTOM;
    return { w, h, cw: w / (state.run.length - state.run.offset), rh: h / span(state) };
  };

  /** Draws all that does not depend on the cursor. */
  function drawBase(state, ratio) {
    const { run } = state;
    const box = shape(state), { w, h, cw, rh } = box;
    const style = getComputedStyle(panel);
    for (const name of ["well", "new", "ahead", "muted", "rule", "text"]) ink[name] = style.getPropertyValue(`--dv-${name}`).trim();
    base.width = field.width; base.height = field.height;
    const g = base.getContext("2d");
    g.scale(ratio, ratio);
    g.imageSmoothingEnabled = false;
    g.fillStyle = ink.well; g.fillRect(LEFT, TOP, w, h);
    if (run.steps) g.drawImage(pixels, LEFT, TOP, w, run.steps * rh);
    commits(g, run, cw, rh, ink.new);
    axes(g, run, box, span(state), ink, style.fontFamily);
  }

  function draw(state, stale) {
    if (!state.run || field.clientWidth <= LEFT + RIGHT) return;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(field.clientWidth * ratio), height = Math.round(field.clientHeight * ratio);
    const resized = field.width !== width || field.height !== height;
    if (resized) { field.width = width; field.height = height; }
    if (stale || resized) drawBase(state, ratio);
    const g = field.getContext("2d");
    const box = shape(state), { w, h, rh } = box;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, width, height);
    g.drawImage(base, 0, 0);
    g.scale(ratio, ratio);
    g.fillStyle = ink.ahead; g.fillRect(LEFT, TOP + state.step * rh, w, h - state.step * rh);
    cursor(g, state, box, ink.text);
  }

  store.on((state, changed) => {
    const { run, metric: name } = state;
    if (!run) return;
    const fresh = changed.has("run") || changed.has("metric");
    const grown = changed.has("grown");
    if (fresh) rastered = 0;
    if (fresh || grown) raster(run, name, name === "confidence" ? rastered : 0); // other scales grow too
    if (fresh || grown) legend(scale, run, name);
    if (fresh) {
      caption.textContent = METRICS[name][1];
      field.setAttribute("aria-label", `Map of ${METRICS[name][0]}: ${run.steps} steps by ${run.length - run.offset} positions. A table follows.`);
    }
    if (details.open && (fresh || changed.has("step") || grown)) fill(table, state);
    const stale = fresh || grown || changed.has("theme") || changed.has("live");
    if (stale || ["step", "pos", "hover"].some((key) => changed.has(key))) draw(state, stale);
    const { pos, step } = focusOf(state);
    read.textContent = pos === null || !step ? "" : readout(run, name, step, pos);
  });

  details.addEventListener("toggle", () => { if (details.open && store.state.run) fill(table, store.state); });
  new ResizeObserver(() => draw(store.state)).observe(field);
  const place = (event) => {
    const { run } = store.state;
    if (!run?.steps) return null;
    const { cw, rh } = shape(store.state);
    const column = Math.floor((event.offsetX - LEFT) / cw), row = Math.floor((event.offsetY - TOP) / rh);
    const inside = column >= 0 && column < run.length - run.offset && row >= 0 && row < run.steps;
    return inside ? { pos: run.offset + column, step: row + 1 } : null;
  };
  field.addEventListener("pointermove", (event) => store.set({ hover: place(event) }));
  field.addEventListener("pointerleave", () => store.set({ hover: null }));
  field.addEventListener("click", (event) => {
    const target = place(event);
    if (target) { goTo(store, target.step); choose(store, target.pos); }
  });
  return panel;
}

/** Rows the map has room for: while a run grows, more than there are, so that it need not rescale
 * at every step. */
const span = ({ run, live }) => (live ? Math.max(16, 2 ** Math.ceil(Math.log2(run.steps + 1))) : Math.max(1, run.steps));

function maximum(run, name) {
  if (name === "confidence") return 1;
  if (name === "reveal") return Math.max(1, run.steps);
  return Math.max(0.1, Math.ceil(run.entropyMax * 10) / 10);
}

/** A line under every cell whose token was written at that step; its colour stays in sight. */
function commits(g, run, cw, rh, colour) {
  g.fillStyle = colour;
  const thick = Math.max(1.5, Math.min(rh * 0.45, 4));
  run.records.forEach((record, row) => {
    for (const position of record.positions)
      g.fillRect(LEFT + (position - run.offset) * cw, TOP + (row + 1) * rh - thick, Math.max(cw, 1.5), thick);
  });
}

function axes(g, run, { w, h, cw, rh }, rows, ink, family) {
  g.fillStyle = ink.muted;
  g.font = `11px ${family}`;
  g.textAlign = "right"; g.textBaseline = "middle";
  for (const step of ticks(rows)) g.fillText(step, LEFT - 5, TOP + (step - 0.5) * rh);
  g.textBaseline = "top";
  const columns = run.length - run.offset;
  for (const n of [0, ...ticks(columns).slice(0, -1)]) {
    g.textAlign = n ? "center" : "left";
    g.fillText(run.offset + n, LEFT + (n ? n + 0.5 : 0) * cw, TOP + h + 6);
  }
  g.textAlign = "right";
  g.fillText("position →", LEFT + w, TOP + h + 6);
  g.fillStyle = ink.rule;
  for (let start = run.promptLength + run.spec.block_length; start < run.length; start += run.spec.block_length)
    g.fillRect(LEFT + (start - run.offset) * cw - 0.5, TOP, 1, h);
}

/** About four round numbers in 1..count, the last one included. */
function ticks(count) {
  if (count <= 0) return [];
  const step = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000].find((s) => count / s <= 5) ?? count;
  const out = [];
  for (let value = step; value <= count; value += step) out.push(value);
  return out;
}

function cursor(g, state, { w, h, cw, rh }, ink) {
  const { pos, step } = focusOf(state);
  g.strokeStyle = ink;
  g.lineWidth = 1.5;
  if (step) g.strokeRect(LEFT, TOP + (step - 1) * rh, w, Math.max(rh, 2));
  if (pos !== null) g.strokeRect(LEFT + (pos - state.run.offset) * cw, TOP, Math.max(cw, 2), h);
}

function legend(scale, run, name) {
  const top = maximum(run, name);
  const bins = RGB.map((rgb) => el("i", { style: `background:rgb(${rgb})` }));
  const ends = { confidence: ["0", "100 %"], entropy: ["0", `${number(top, 1)} nats`], reveal: ["step 1", String(top)] }[name];
  scale.replaceChildren(el("span", {}, ends[0]), el("span", { className: "dv-bins" }, ...bins), el("span", {}, ends[1]));
}

function readout(run, name, step, pos) {
  const value = run.value(name, step, pos);
  const text = value === undefined ? "decided" : name === "confidence" ? percent(value) : name === "entropy" ? `${number(value, 2)} nats` : `step ${value}`;
  return `step ${step}, position ${pos}: ${text}`;
}

/** The row of the map at this step, as a table. */
function fill(table, { run, step, metric }) {
  const s = Math.max(1, step);
  const rows = [];
  for (let pos = run.offset; pos < run.length; pos++) {
    const value = run.value(metric, s, pos);
    const token = run.states[s]?.[pos];
    rows.push(el("tr", {}, el("th", { scope: "row" }, String(pos)), el("td", {}, token === run.maskId ? "masked" : run.piece(token) ?? ""),
      el("td", {}, value === undefined ? "–" : metric === "confidence" ? percent(value) : number(value, 3))));
  }
  table.replaceChildren(el("table", {}, el("caption", {}, `Step ${s}: ${METRICS[metric][0]}`),
    el("thead", {}, el("tr", {}, ...["position", "token", METRICS[metric][0]].map((t) => el("th", { scope: "col" }, t)))), el("tbody", {}, ...rows)));
}
