// The time x position map: one row a step, one column a position, on a plain 2-D canvas.

import { el } from "./dom.js";
import { about, absence, colour, drawn, legend, offered, said, scaleOf, valueOf } from "./metrics.js";
import { say } from "./say.js";
import { brush } from "./selection.js";
import { choose, focusOf, goTo } from "./store.js";

const LEFT = 34, BOTTOM = 22, TOP = 6, RIGHT = 6;
const INKS = ["well", "new", "ahead", "muted", "rule", "text", "accent"];
const MARKED = 5; // width of a cell in px from which a flag is marked by a bar too

export function makeMap(store) {
  const field = el("canvas", { className: "dv-field", role: "img" });
  const caption = el("p", { className: "dv-quiet" });
  const read = el("p", { className: "dv-read" });
  const scale = el("div", { className: "dv-scale" });
  const menu = el("select", { className: "dv-select", "aria-label": say("map.menu"), onchange: () => store.set({ metric: menu.value }) });
  const table = el("div", { className: "dv-table", tabIndex: 0, role: "region", "aria-label": say("map.numbers") });
  const details = el("details", { className: "dv-twin" }, el("summary", {}, say("show.table")), table);
  const panel = el("section", { className: "dv-panel dv-map", "aria-label": say("map.label") },
    el("header", {}, el("h3", {}, say("map.title")), menu),
    caption, el("div", { className: "dv-frame" }, field), el("footer", {}, scale, read), details);
  const picture = makePicture(panel, field);
  let shown = null; // the metric on screen
  let frame = 0, outdated = false; // drawn once a frame, after the page is laid out
  const draw = (stale) => {
    outdated ||= stale;
    frame ||= requestAnimationFrame(() => {
      const all = outdated;
      frame = 0; outdated = false;
      picture.draw(store.state, shown, all);
    });
  };

  store.on((state, changed) => {
    const { run } = state;
    if (!run) return;
    const grown = changed.has("grown");
    if (changed.has("run") || grown) list(menu, offered(run));
    const name = grown || changed.has("run") || changed.has("metric") ? drawn(state) : shown;
    const fresh = changed.has("run") || name !== shown;
    shown = name;
    if (fresh || grown) { picture.raster(run, name, fresh); legend(scale, run, name); menu.value = name; }
    if (fresh || changed.has("live")) describe(run, name, caption, field);
    if (details.open && (fresh || changed.has("step") || grown)) fill(table, state, name);
    const stale = fresh || grown || changed.has("theme") || changed.has("live");
    if (stale || ["step", "pos", "hover", "selection"].some((key) => changed.has(key))) draw(stale);
    const { pos, step } = focusOf(state);
    read.textContent = pos === null || !step ? say("map.drag") : readout(run, name, step, pos);
  });
  details.addEventListener("toggle", () => { if (details.open && shown) fill(table, store.state, shown); });
  new ResizeObserver(([entry]) => { picture.resize(entry.contentRect); draw(false); }).observe(field);
  listen(store, field, picture.shape);
  return panel;
}

function describe(run, name, caption, field) {
  caption.textContent = about(name).means;
  field.setAttribute("aria-label", say("map.field", { metric: about(name).label, steps: run.steps, positions: run.length - run.offset }));
}

/** Brings the menu up to date; the choice stays. */
function list(menu, names) {
  if (Array.from(menu.options, (option) => option.value).join() === names.join()) return;
  menu.replaceChildren(...names.map((name) => el("option", { value: name }, about(name).label)));
}

/** The drawing: `raster` when values change, `draw` when the cursor moves, `shape` in pixels. */
function makePicture(panel, field) {
  const pixels = document.createElement("canvas"), base = document.createElement("canvas"), ink = {};
  let size = { width: 0, height: 0 }; // asking the page for it at every step would lay it out again
  let stands = { rows: 0, key: "" }; // rows of `pixels` that stand, and the scale they were drawn on

  /** Fills the off-screen picture, one pixel a cell; rows on an unchanged scale stay. */
  function raster(run, name, fresh) {
    const { low, high, share } = scaleOf(run, name), key = `${name} ${low} ${high}`;
    const from = fresh || key !== stands.key ? 0 : stands.rows;
    const columns = run.length - run.offset, rows = Math.max(1, run.steps);
    const context = pixels.getContext("2d", { willReadFrequently: true });
    const old = from ? context.getImageData(0, 0, columns, from) : null;
    pixels.width = columns; pixels.height = rows;
    stands = { rows: run.steps, key };
    if (old) context.putImageData(old, 0, 0);
    if (rows <= from) return;
    const image = context.createImageData(columns, rows - from);
    for (let row = from; row < run.steps; row++)
      for (let column = 0; column < columns; column++) {
        const value = valueOf(run, name, row + 1, run.offset + column);
        if (value === undefined) continue;
        const [r, g, b] = colour(name, share(value)), at = 4 * ((row - from) * columns + column);
        image.data[at] = r; image.data[at + 1] = g; image.data[at + 2] = b; image.data[at + 3] = 255;
      }
    context.putImageData(image, 0, from);
  }

  const shape = (state) => {
    const w = size.width - LEFT - RIGHT, h = size.height - TOP - BOTTOM;
    return { w, h, cw: w / (state.run.length - state.run.offset), rh: h / span(state) };
  };

  /** Draws all that does not depend on the cursor. */
  function drawBase(state, name, ratio) {
    const { run } = state, box = shape(state), { w, h, cw, rh } = box;
    const style = getComputedStyle(panel);
    for (const key of INKS) ink[key] = style.getPropertyValue(`--dv-${key}`).trim();
    base.width = field.width; base.height = field.height;
    const g = base.getContext("2d");
    g.scale(ratio, ratio);
    g.imageSmoothingEnabled = false;
    g.fillStyle = ink.well; g.fillRect(LEFT, TOP, w, h);
    if (run.steps) g.drawImage(pixels, LEFT, TOP, w, run.steps * rh);
    if (about(name).flag && cw >= MARKED) flags(g, run, name, cw, rh);
    commits(g, run, cw, rh, ink.new);
    axes(g, run, box, span(state), ink, style.fontFamily);
  }

  function draw(state, name, stale) {
    if (!state.run || size.width <= LEFT + RIGHT) return;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(size.width * ratio), height = Math.round(size.height * ratio);
    const resized = field.width !== width || field.height !== height;
    if (resized) { field.width = width; field.height = height; }
    if (stale || resized) drawBase(state, name, ratio);
    const g = field.getContext("2d"), box = shape(state), { w, h, rh } = box;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, width, height);
    g.drawImage(base, 0, 0);
    g.scale(ratio, ratio);
    g.fillStyle = ink.ahead; g.fillRect(LEFT, TOP + state.step * rh, w, h - state.step * rh);
    brushed(g, state, box, ink.accent);
    cursor(g, state, box, ink.text);
  }
  return { raster, draw, shape, resize: (box) => { size = box; } };
}

/** Pointing shows, a click goes there, dragging sideways selects columns. */
function listen(store, field, shape) {
  const column = (x) => {
    const { run } = store.state, { cw } = shape(store.state);
    return Math.max(run.offset, Math.min(run.length - 1, run.offset + Math.floor((x - LEFT) / cw)));
  };
  const place = ({ offsetX: x, offsetY: y }) => {
    const { run } = store.state;
    if (!run?.steps) return null;
    const { w, rh } = shape(store.state), row = Math.floor((y - TOP) / rh);
    return x >= LEFT && x < LEFT + w && row >= 0 && row < run.steps ? { pos: column(x), step: row + 1 } : null;
  };
  const dragging = brush(store, field, column);
  field.addEventListener("pointermove", (event) => store.set({ hover: dragging() ? null : place(event) }));
  field.addEventListener("pointerleave", () => store.set({ hover: null }));
  field.addEventListener("click", (event) => {
    const target = place(event);
    if (target) { goTo(store, target.step); choose(store, target.pos); }
  });
}

/** Rows the map has room for: while a run grows, more than there are, so that it need not rescale
 * at every step. */
const span = ({ run, live }) => (live ? Math.max(16, 2 ** Math.ceil(Math.log2(run.steps + 1))) : Math.max(1, run.steps));

/** A line under every cell whose token was written at that step; its colour stays in sight. */
function commits(g, run, cw, rh, ink) {
  g.fillStyle = ink;
  const thick = Math.max(1.5, Math.min(rh * 0.45, 4));
  run.records.forEach((record, row) => {
    for (const position of record.positions)
      g.fillRect(LEFT + (position - run.offset) * cw, TOP + (row + 1) * rh - thick, Math.max(cw, 1.5), thick);
  });
}

/** Yes has a bar at the left of its cell, no has one at the right: colour is not all there is. */
function flags(g, run, name, cw, rh) {
  g.fillStyle = "rgb(0 0 0 / 70%)";
  for (let row = 0; row < run.steps; row++)
    for (let pos = run.offset; pos < run.length; pos++) {
      const value = valueOf(run, name, row + 1, pos);
      if (value !== undefined) g.fillRect(LEFT + (pos - run.offset) * cw + (value > 0.5 ? 0 : cw - 1.5), TOP + row * rh, 1.5, rh);
    }
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
  g.fillText(say("position.axis"), LEFT + w, TOP + h + 6);
  g.fillStyle = ink.rule;
  for (let start = run.promptLength + run.spec.block_length; start < run.length; start += run.spec.block_length)
    g.fillRect(LEFT + (start - run.offset) * cw - 0.5, TOP, 1, h);
}

/** About four round numbers in 1..count, the last one included. */
export function ticks(count) {
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

/** The selected columns: a bracket over them and dashed sides. */
function brushed(g, { run, selection }, { h, cw }, ink) {
  if (!selection) return;
  const left = LEFT + (selection[0] - run.offset) * cw, right = LEFT + (selection[1] + 1 - run.offset) * cw;
  g.fillStyle = ink; g.fillRect(left, TOP - 6, right - left, 4);
  g.strokeStyle = ink; g.lineWidth = 2;
  g.setLineDash([4, 3]);
  g.beginPath();
  for (const x of [left, right]) { g.moveTo(x, TOP - 6); g.lineTo(x, TOP + h); }
  g.stroke();
  g.setLineDash([]);
}

function readout(run, name, step, pos) {
  const value = valueOf(run, name, step, pos);
  return say("map.read", { step, pos, value: value === undefined ? absence(run, name, step, pos) : said(name, value) });
}

/** The row of the map at this step, as a table. */
function fill(table, { run, step }, name) {
  const s = Math.max(1, step), { label } = about(name);
  const rows = [];
  for (let pos = run.offset; pos < run.length; pos++) {
    const value = valueOf(run, name, s, pos), token = run.states[s]?.[pos];
    rows.push(el("tr", {}, el("th", { scope: "row" }, String(pos)), el("td", {}, token === run.maskId ? say("masked") : run.piece(token) ?? ""),
      el("td", {}, value === undefined ? absence(run, name, s, pos) : said(name, value))));
  }
  table.replaceChildren(el("table", {}, el("caption", {}, say("map.row", { step: s, metric: label })),
    el("thead", {}, el("tr", {}, ...[say("position"), say("token"), label].map((t) => el("th", { scope: "col" }, t)))), el("tbody", {}, ...rows)));
}
