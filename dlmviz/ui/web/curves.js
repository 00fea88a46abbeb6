// The curves of a job: four charts over its steps, drawn as SVG, with one cursor and one zoom. New
// rows never move what a person looks at: the axis runs to the last step of the job from the start,
// and a zoom stays where it is. What is null, no number, or zero is a gap in a line.

import { el } from "./dom.js";
import { line, nice, paint, short } from "./chart.js";
import { say } from "./say.js";

const MOST = 1000; // points of a line, and rows of the table
const CHARTS = [
  { name: "loss", unit: "nats", lines: [["loss", "a"]] },
  { name: "kl", unit: "nats", lines: [["kl_on", "b"], ["kl_off", "a"], ["held", "c"]] },
  { name: "lr", unit: "", lines: [["lr", "a"]] },
  { name: "speed", unit: "speed", lines: [["tokens_per_second", "a"]] },
];
const COLUMNS = { loss: ["loss"], kl: ["kl_on", "kl_off", "held"], lr: ["lr", "norm"], speed: ["tokens_per_second"] }; // of each chart
const NATS = ["loss", "kl_on", "kl_off", "held"];
const REST = 1500; // ms between two drawings of the table

export function makeCurves() {
  const charts = CHARTS.map(makeChart), read = el("p", { className: "di-read" });
  const log = el("button", { type: "button", className: "di-button", "aria-pressed": "true", title: say("curves.log.title"), onclick: () => { view.log = !view.log; log.setAttribute("aria-pressed", String(view.log)); draw(view); } }, say("curves.log"));
  const whole = el("button", { type: "button", className: "di-button", title: say("curves.whole.title"), hidden: true, onclick: () => zoom(view, null) }, say("curves.whole"));
  const grid = el("div", { className: "di-charts", tabIndex: 0, role: "group", "aria-label": say("curves.keys"), onkeydown: (event) => keys(view, event) }, ...charts.map(({ node }) => node));
  const table = el("div", { className: "di-scroll di-rows", tabIndex: 0, role: "region", "aria-label": say("curves.table") });
  const twin = el("details", { className: "di-more", ontoggle: () => fill(view) }, el("summary", {}, say("show.table")), table);
  const node = el("section", { className: "di-curves", "aria-label": say("curves.title"), hidden: true },
    el("div", { className: "di-row" }, el("h4", {}, say("curves.title")), el("span", { className: "di-quiet" }, say("curves.drag")), whole, log), read, grid, twin);
  const view = { node, charts, read, whole, table, twin, rows: [], columns: [], at: new Map(), steps: 0, zoom: null, log: true, cursor: null, frame: 0, filled: 0 };
  charts.forEach((chart) => pointer(view, chart));
  new ResizeObserver(() => draw(view)).observe(grid);
  return {
    node,
    add: (rows, { anew, steps, names }) => {
      if (anew) forget(view);
      charts.forEach((chart) => { chart.node.hidden = !names.includes(chart.name); });
      view.columns = Object.keys(COLUMNS).filter((name) => names.includes(name)).flatMap((name) => COLUMNS[name]);
      view.steps = Number.isFinite(steps) ? steps : 0;
      rows.forEach((row) => merge(view, row));
      node.hidden = !view.rows.length;
      node.dataset.rows = String(view.rows.length);
      if (rows.length || anew) { draw(view); fill(view); }
    },
    held: () => { const all = view.rows.map((row) => row.held).filter(Number.isFinite); return [all[0], all.at(-1)]; },
    clear: () => { forget(view); Object.assign(view, { zoom: null, cursor: null }); whole.hidden = node.hidden = true; },
  };
}

function forget(view) {
  Object.assign(view, { rows: [], at: new Map(), filled: 0 });
}

/** Rows of one step, of the training and of the held-out prompts, are one. */
function merge(view, row) {
  if (!Number.isInteger(row.step) || row.step < 0) return;
  const known = view.at.get(row.step);
  if (known) return Object.assign(known, row);
  view.at.set(row.step, row);
  view.rows.push(row);
  if (view.rows.length > 1 && view.rows.at(-2).step > row.step) view.rows.sort((a, b) => a.step - b.step);
}

/** At most `most` of a list, evenly, the first and the last among them. */
const thin = (list, most = MOST) => (list.length <= most ? list : Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]));

const domain = ({ zoom, rows, steps }) => zoom ?? [0, Math.max(1, steps, rows.at(-1)?.step ?? 1)];

function makeChart({ name, unit, lines }) {
  const legend = lines.length > 1 ? el("span", { className: "di-legend" }, ...lines.map(([key, kind]) => el("span", { className: `di-key di-${kind}` }, say(`curves.${key}`)))) : null;
  const stage = el("div", { className: "di-plot" }), title = say(`curves.${name}`);
  return { name, title, lines, stage, logs: unit === "nats", node: el("figure", { className: "di-chart" }, el("figcaption", {}, el("b", {}, title), unit && ` [${say(`curves.unit.${unit}`)}]`, legend), stage) };
}

/** Draws all charts at the next frame. */
function draw(view) {
  view.frame ||= requestAnimationFrame(() => {
    view.frame = 0;
    if (!view.rows.length || !view.node.checkVisibility()) return;
    const x = domain(view), seen = view.rows.filter(({ step }) => step >= x[0] && step <= x[1]);
    view.charts.filter(({ node }) => !node.hidden).forEach((chart) => drawn(view, chart, x, seen));
    point(view);
  });
}

function drawn(view, chart, x, seen) {
  const log = view.log && chart.logs;
  const lines = chart.lines.map(([key, kind]) => ({ kind, points: thin(seen.filter((row) => key in row)).map((row) => [row.step, row[key]]) }));
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y)).filter((y) => Number.isFinite(y) && y > 0);
  const y = nice(values, log);
  chart.scale = paint(chart.stage, { x, y, log, lines: lines.map(({ kind, points }) => ({ kind, dots: kind === "c", ...line(points) })), words: { chart: say("curves.label", { chart: chart.title, n: seen.length }), step: say("curves.step") } });
}

/** Puts the cursor on its step in every chart, and says the numbers there. */
function point(view) {
  const row = view.cursor === null ? view.rows.at(-1) : view.at.get(view.cursor);
  for (const { scale } of view.charts) scale?.cursor(view.cursor === null ? null : row?.step ?? null);
  const told = view.columns.filter((key) => row && key in row && key !== "norm").map((key) => `${say(`curves.column.${key}`)} ${short(row[key])}`);
  const asked = view.cursor !== null && view.node.contains(document.activeElement); // by keyboard: then it is said, too
  view.read.setAttribute("aria-live", asked ? "polite" : "off");
  view.read.textContent = row ? `${say(view.cursor === null ? "curves.newest" : "curves.at", { step: row.step })} ${told.join(" · ")}` : "";
}

function zoom(view, span) {
  const held = view.whole === document.activeElement;
  view.zoom = span && span[1] - span[0] >= 2 ? span : null;
  view.whole.hidden = !view.zoom;
  if (held && view.whole.hidden) view.node.querySelector(".di-charts").focus();
  draw(view);
}

const nearest = (view, step) => view.rows.reduce((best, row) => (Math.abs(row.step - step) < Math.abs(best.step - step) ? row : best), view.rows[0]).step;

/** Pointing reads a step; dragging sideways zooms into what was passed over. */
function pointer(view, chart) {
  const { stage } = chart;
  let from = null;
  const at = (event) => chart.scale?.step(event.clientX - stage.getBoundingClientRect().left);
  const cursor = (step) => { if (step !== undefined && view.rows.length) { view.cursor = step === null ? null : nearest(view, step); point(view); } };
  stage.addEventListener("pointerdown", (event) => { if (event.button === 0) { from = at(event); stage.setPointerCapture(event.pointerId); } });
  stage.addEventListener("pointermove", (event) => { cursor(at(event)); if (from !== null) chart.scale?.brush(from, at(event)); });
  stage.addEventListener("pointerup", (event) => {
    const to = at(event), span = [Math.round(Math.min(from, to)), Math.round(Math.max(from, to))];
    const dragged = from !== null && Math.abs(to - from) >= 2;
    from = null;
    chart.scale?.brush(null);
    if (dragged) zoom(view, span);
  });
  for (const end of ["pointerleave", "pointercancel"]) stage.addEventListener(end, () => { from = null; chart.scale?.brush(null); cursor(null); });
  stage.addEventListener("dblclick", () => zoom(view, null));
}

function keys(view, event) {
  if (!view.rows.length || event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
  const now = view.rows.findIndex(({ step }) => step === view.cursor), size = view.rows.length;
  const go = (to) => { view.cursor = view.rows[Math.max(0, Math.min(size - 1, to))].step; point(view); };
  const by = event.shiftKey ? 10 : 1, from = now < 0 ? size : now;
  const scale = (factor) => {
    const [a, b] = domain(view), middle = view.cursor ?? (a + b) / 2, half = ((b - a) * factor) / 2, [first, last] = domain({ ...view, zoom: null });
    zoom(view, half * 2 >= last - first ? null : [Math.max(first, Math.round(middle - half)), Math.min(last, Math.round(middle + half))]);
  };
  const act = { ArrowLeft: () => go(from - by), ArrowRight: () => go(from + by), Home: () => go(0), End: () => go(size - 1), "+": () => scale(0.5), "-": () => scale(2), 0: () => zoom(view, null), Escape: () => { view.cursor = null; point(view); } }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** The same numbers as a table, while it is open; long ones thinned as the lines are. */
function fill(view) {
  if (!view.twin.open || !view.rows.length) return;
  const wait = view.filled + REST - performance.now();
  if (wait > 0 && view.table.firstChild) { view.later ||= setTimeout(() => { view.later = 0; fill(view); }, wait); return; }
  view.filled = performance.now();
  const kept = new Set([...thin(view.rows), ...thin(view.rows.filter((row) => "held" in row))]);
  const rows = [...kept].sort((a, b) => a.step - b.step).map((row) => el("tr", {}, el("th", { scope: "row" }, String(row.step)), ...view.columns.map((key) => el("td", {}, key in row ? short(row[key]) : ""))));
  const told = say(rows.length < view.rows.length ? "curves.some" : "curves.every", { n: rows.length, all: view.rows.length });
  const heads = [say("curves.step"), ...view.columns.map((key) => say(`curves.column.${key}`) + (NATS.includes(key) ? ` [${say("curves.unit.nats")}]` : ""))];
  view.table.replaceChildren(el("table", { className: "di-table" }, el("caption", {}, told), el("thead", {}, el("tr", {}, ...heads.map((label) => el("th", { scope: "col" }, label)))), el("tbody", {}, ...rows)));
}
