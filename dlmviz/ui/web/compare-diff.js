// Where the lanes differ from the first one: a ribbon a lane, place by place, at the moment of the
// clock; below it, for one lane, all moments. Kinds are told by shape as well as by colour.

import { now, shownAt } from "./compare-clock.js";
import { kindAt, kinds, pairOf, stepAt, ticksOf } from "./compare-kinds.js";
import { el, named } from "./dom.js";
import { DIFFERENT } from "./compare-lanes.js";
import { ticks } from "./map.js";
import { say } from "./say.js";
import { goTo } from "./store.js";

const LEFT = 44, RIGHT = 8, ROW = 26, TOP = 4, BOTTOM = 22, ROWS = 96, PATIENCE = 300; // [ms] between two drawings while lanes grow
const INKS = ["well", "rule", "text", "muted", "accent", "edge"];
const A = "#0072b2", B = "#e69f00", TOKEN = "#d55e00", ORDER = "#56b4e9";

export function makeDifference(page) {
  const { store } = page, ribbon = el("canvas", { className: "dv-field cp-ribbon", role: "img", tabIndex: 0 }), map = el("canvas", { className: "dv-field cp-map", role: "img", tabIndex: 0 });
  const read = el("p", { className: "dv-read cp-read" }), why = el("p", { className: "dv-quiet" });
  const lanes = el("select", { className: "dv-select", "aria-label": say("compare.map.lane"), onchange: () => { view.lane = Number(lanes.value); draw(); } });
  const table = el("div", { className: "dv-table", tabIndex: 0, role: "region", "aria-label": say("compare.places") });
  const twin = el("details", { className: "dv-twin" }, el("summary", {}, say("show.table")), table);
  const legend = el("p", { className: "dv-legend cp-legend" }, ...[...DIFFERENT, "neither"].map((kind) => el("span", {}, el("i", { className: `cp-key cp-${kind}`, "aria-hidden": "true" }), say(`compare.kind.${kind}`))));
  const heading = el("h4", {});
  const node = el("section", { className: "dv-panel cp-difference", "aria-label": say("compare.difference") }, el("h3", {}, say("compare.difference")), why, legend, ribbon,
    el("div", { className: "cp-row cp-map-head" }, heading, lanes), map, read, twin);
  const view = { page, lane: null, ink: {}, size: { ribbon: 0, map: 0 }, base: document.createElement("canvas"), stale: true, frame: 0 };
  const others = () => page.lanes.slice(1).filter(({ run }) => run), first = () => page.lanes[0]?.run;
  const chosen = () => others().find(({ key }) => key === view.lane) ?? others()[0];
  const paint = (stale = false) => {
    view.stale ||= stale;
    const wait = store.state.live ? (then) => setTimeout(then, PATIENCE) : requestAnimationFrame;
    view.frame ||= wait(() => {
      view.frame = 0;
      if (node.hidden) return;
      drawRibbon(view, ribbon, first(), others());
      drawMap(view, map, first(), chosen());
      view.stale = false;
    });
  };

  function draw() {
    const rest = others();
    node.hidden = !first() || !rest.length;
    if (node.hidden) return;
    const all = new Set(rest.map(({ run }) => pairOf(first(), run).comparable));
    why.textContent = all.has(false) ? say("compare.note.vocabulary", { lanes: rest.filter(({ run }) => !pairOf(first(), run).comparable).map(page.letter).join(", ") }) : say("compare.difference.means");
    lanes.replaceChildren(...rest.map((lane) => el("option", { value: lane.key }, say("compare.lane", { lane: page.letter(lane) }))));
    lanes.value = chosen().key;
    lanes.hidden = rest.length < 2;
    heading.textContent = say("compare.map", { lane: page.letter(chosen()) });
    ribbon.style.height = `${ROW * rest.length + TOP + BOTTOM}px`;
    map.setAttribute("aria-label", say("compare.map.means", { lane: page.letter(chosen()) }));
    paint(true);
    move(store.state, new Set(["step"]));
  }

  function move(state, changed) {
    if (node.hidden || !state.run || !first()) return;
    if (["run", "clock", "theme"].some((key) => changed.has(key))) { if (changed.has("run") && !state.live) draw(); paint(true); } else paint();
    ribbon.setAttribute("aria-label", others().map((lane) => spoken(page, first(), lane)).join("; "));
    read.textContent = readout(view, first(), others());
    if (twin.open && !state.playing) fill(table, page, first(), others());
  }
  twin.addEventListener("toggle", () => { if (twin.open && first()) fill(table, page, first(), others()); });
  for (const [name, field] of Object.entries({ ribbon, map })) {
    new ResizeObserver(([entry]) => { view.size[name] = entry.contentRect.width; paint(true); }).observe(field);
    const at = (event) => placeOf(view, name, event.offsetX);
    field.addEventListener("pointermove", (event) => store.set({ over: at(event) }));
    field.addEventListener("pointerleave", () => store.set({ over: null }));
    field.addEventListener("click", (event) => {
      if (at(event) !== null) store.set({ place: at(event) });
      const { run } = store.state, height = field.clientHeight - TOP - BOTTOM;
      if (name === "map") goTo(store, stepAt(run.moments, Math.max(0, Math.min(1, (event.offsetY - TOP) / height)) * run.moments.at(-1)));
    });
  }
  return { node, draw, move };
}

const stepOf = (state, run, at = now(state)) => Math.max(0, stepAt(ticksOf(run, state.clock), at));

/** The places on the axis: those up to the last end mark of all lanes. */
const span = ({ page }) => { const [first, ...rest] = page.runs(); return rest.reduce((n, run) => Math.max(n, Math.min(pairOf(first, run).size, pairOf(first, run).end)), 1); };

function placeOf(view, name, x) {
  const { size } = view, length = span(view), place = Math.floor(((x - LEFT) / (size[name] - LEFT - RIGHT)) * length);
  return place >= 0 && place < length ? place : null;
}

/** A canvas in device pixels, cleared: its context, in css pixels. */
function fresh(field, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio), h = Math.round(height * ratio), g = field.getContext("2d");
  if (field.width !== w || field.height !== h) { field.width = w; field.height = h; }
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return g;
}

function inks(view, field) {
  const style = getComputedStyle(field);
  for (const key of INKS) view.ink[key] = style.getPropertyValue(`--dv-${key}`).trim();
  view.ink.family = style.fontFamily;
}

/** One place of one kind: the shape says what the colour does. */
function cell(g, kind, x, y, w, h, ink) {
  const box = (fill, top, height) => { g.fillStyle = fill; g.fillRect(x, y + top * h, w, height * h); };
  const draw = {
    same: () => box(ink.edge, 0.42, 0.16),
    order: () => { box(ORDER, 0, 1); g.fillStyle = "#000"; g.beginPath(); g.moveTo(x, y + h); g.lineTo(x + Math.min(w, 7), y + h); g.lineTo(x, y + h - 7); g.fill(); },
    token: () => { box(TOKEN, 0, 1); g.fillStyle = "#fff"; g.fillRect(x + w / 2 - Math.min(w, 8) / 2, y + 0.36 * h, Math.min(w, 8), 1.5); g.fillRect(x + w / 2 - Math.min(w, 8) / 2, y + 0.56 * h, Math.min(w, 8), 1.5); },
    only_a: () => box(A, 0, 0.42), only_b: () => box(B, 0.58, 0.42),
    lone: () => { g.strokeStyle = ink.muted; g.lineWidth = 1; g.strokeRect(x + 1, y + 1, Math.max(1, w - 2), h - 2); },
  };
  draw[kind]?.();
}

function drawRibbon(view, field, first, others) {
  const { page, ink } = view, { state } = page.store, width = view.size.ribbon;
  if (width <= LEFT + RIGHT || !state.run) return;
  inks(view, field);
  const g = fresh(field, width, field.clientHeight), length = span(view), cw = (width - LEFT - RIGHT) / length, gap = cw > 5 ? 1 : 0;
  g.font = `600 13px ${ink.family}`;
  others.forEach((lane, row) => {
    const pair = pairOf(first, lane.run), y = TOP + row * ROW, all = kinds(pair, stepOf(state, first), stepOf(state, lane.run));
    g.fillStyle = ink.text; g.textAlign = "right"; g.textBaseline = "middle";
    g.fillText(`A · ${page.letter(lane)}`, LEFT - 8, y + (ROW - 6) / 2);
    g.fillStyle = ink.well; g.fillRect(LEFT, y, Math.min(pair.size, pair.end) * cw, ROW - 6);
    (all ?? []).slice(0, length).forEach((kind, i) => cell(g, kind, LEFT + i * cw, y, cw - gap, ROW - 6, ink));
  });
  axis(g, view, length, cw, TOP + others.length * ROW);
  cursor(g, state, length, cw, TOP - 2, others.length * ROW - 2, ink.text);
}

function axis(g, { ink }, length, cw, y) {
  g.fillStyle = ink.muted; g.font = `11px ${ink.family}`; g.textBaseline = "top";
  for (const n of [0, ...ticks(length).slice(0, -1)]) { g.textAlign = n ? "center" : "left"; g.fillText(String(n), LEFT + (n ? n + 0.5 : 0) * cw, y + 2); }
  g.textAlign = "right";
  g.fillText(say("compare.axis"), LEFT + cw * length, y + 2);
}

function cursor(g, { place, over }, length, cw, y, h, ink) {
  const at = over ?? place;
  if (at === null || at >= length) return;
  g.strokeStyle = ink; g.lineWidth = 1.5;
  g.strokeRect(LEFT + at * cw, y, Math.max(cw, 2), h);
}

/** All moments of one lane beside the first: who has written a place, and whether they agree. */
function drawMap(view, field, first, lane) {
  const { page, ink, base } = view, { state } = page.store, width = view.size.map, height = field.clientHeight;
  if (width <= LEFT + RIGHT || !state.run || !lane) return;
  const h = height - TOP - BOTTOM, end = state.run.moments.at(-1) || 1, length = span(view), cw = (width - LEFT - RIGHT) / length;
  if (view.stale) {
    inks(view, field);
    const g = fresh(base, width, height), rows = Math.min(ROWS, Math.max(2, state.clock === "fraction" ? ROWS : end + 1)), rh = h / rows, pair = pairOf(first, lane.run);
    g.fillStyle = ink.well; g.fillRect(LEFT, TOP, width - LEFT - RIGHT, h);
    for (let row = 0; row < rows && pair.comparable; row++) {
      const at = (row / (rows - 1)) * end, a = stepOf(state, first, at), b = stepOf(state, lane.run, at);
      for (let i = 0; i < pair.end; i++) block(g, kindAt(pair, i, a, b), LEFT + i * cw, TOP + row * rh, cw, rh, ink);
    }
    g.fillStyle = ink.muted; g.font = `11px ${ink.family}`; g.textAlign = "right"; g.textBaseline = "middle";
    for (const share of [0, 0.25, 0.5, 0.75, 1]) g.fillText(state.clock === "fraction" ? `${100 * share} %` : String(Math.round(share * end)), LEFT - 6, Math.max(TOP + 6, Math.min(TOP + h - 5, TOP + share * h)));
    axis(g, view, length, cw, TOP + h);
  }
  const g = fresh(field, width, height);
  g.drawImage(base, 0, 0, width, height);
  const y = TOP + (now(state) / end) * h;
  g.strokeStyle = ink.text; g.lineWidth = 2;
  g.beginPath(); g.moveTo(LEFT - 4, y); g.lineTo(width - RIGHT, y); g.stroke();
  cursor(g, state, length, cw, TOP, h, ink.text);
}

/** One place at one moment on the map; the half of the cell says whose it is. */
function block(g, kind, x, y, w, h, ink) {
  const fills = { same: ink.edge, order: ORDER, token: TOKEN, only_a: A, only_b: B };
  if (!fills[kind]) return;
  const half = w > 5 && kind.startsWith("only");
  g.fillStyle = fills[kind];
  g.fillRect(x + (half && kind === "only_b" ? w / 2 : 0), y, half ? w / 2 - 0.5 : w - (w > 5 ? 1 : 0), h + 0.5);
}

function spoken(page, first, lane) {
  const { state } = page.store, all = kinds(pairOf(first, lane.run), stepOf(state, first), stepOf(state, lane.run)) ?? [];
  const parts = DIFFERENT.map((kind) => [kind, all.filter((one) => one === kind).length]).filter(([, n]) => n);
  return `${say("compare.lane", { lane: page.letter(lane) })}: ${parts.map(([kind, n]) => `${say(`compare.kind.${kind}`)} ${n}`).join(", ") || say("compare.kind.neither")}`;
}

const held = (run, step, place) => { const token = run.states[step][run.promptLength + place]; return token === undefined ? "–" : token === run.maskId ? say("masked") : token === run.eosId ? "eos" : named(run.piece(token)); };

function readout({ page }, first, others) {
  const { state } = page.store, place = state.over ?? state.place;
  if (place === null) return say("compare.point");
  const parts = [page.lanes[0], ...others].map((lane) => `${page.letter(lane)} ${held(lane.run, stepOf(state, lane.run), place)}`);
  return `${say("compare.place", { place })}, ${shownAt(state.clock, now(state))}: ${parts.join(" · ")}`;
}

/** What stands at each place now, as a table. */
function fill(table, page, first, others) {
  const { state } = page.store, a = stepOf(state, first), pairs = others.map((lane) => [lane, stepOf(state, lane.run), pairOf(first, lane.run)]);
  const size = Math.max(...pairs.map(([, , pair]) => pair.size));
  const rows = Array.from({ length: size }, (_, i) => el("tr", {}, el("th", { scope: "row" }, String(i)), el("td", {}, held(first, a, i)),
    ...pairs.flatMap(([lane, step, pair]) => [el("td", {}, held(lane.run, step, i)), el("td", {}, pair.comparable ? say(`compare.kind.${kindAt(pair, i, a, step)}`) : "–")])));
  table.replaceChildren(el("table", {}, el("caption", {}, shownAt(state.clock, now(state))), el("thead", {}, el("tr", {}, ...[say("compare.axis"), "A", ...pairs.flatMap(([lane]) => [page.letter(lane), say("compare.against", { lane: page.letter(lane) })])].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, ...rows)));
}
