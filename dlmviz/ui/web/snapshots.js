// Pictures to take away: the tokens at the step on screen, and the map of all steps, as PNG or SVG.

import { el, knobs, shown } from "./dom.js";
import { ticks } from "./map.js";
import { about, colour, drawn, ends, scaleOf, valueOf } from "./metrics.js";
import { CIVIDIS, bin } from "./palette.js";
import { INK, cells, fitted, rect, sayable, text, toBlob, widthOf, wrapped } from "./picture.js";
import { decimal, say } from "./say.js";
import { LIGHT_FROM, everAt } from "./tokens.js";

const WIDTH = 960, EDGE = 28, INNER = WIDTH - 2 * EDGE;
const BOX = 28, LINE = 40, PAD = 6, TOKEN = { size: 16 }, SMALL = { size: 12, fill: INK.muted };
const DOTTED = { stroke: "#8a918a", thick: 1, dash: [1, 3] }, PALE = "#f6f7f5", LONGEST = 48; // of a run's name in the name of a file
const KINDS = ["tokens", "map"].map((what) => [what, say(`picture.${what}`)]);

/** How a run is called: its title, or its sampler and knobs. */
const nameOf = ({ spec, info }) => (typeof info.title === "string" && info.title ? info.title : [spec.sampler, ...knobs(spec.params)].join(" · "));

/** The name of a file: run, step, what it shows. Runs without a title are told apart by their ids. */
export function fileName(run, step, what, kind) {
  const plain = (part) => String(part).toLowerCase().replace(/[^\p{L}\p{N}_]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, LONGEST).replace(/-+$/, "");
  const id = run.info.title ? "" : plain(run.info.hash ?? run.id ?? "").slice(0, 8);
  return ["dlmviz", plain(nameOf(run)), id, "step", step, what].filter((part) => part !== "").join("-") + `.${kind}`;
}

/** Title lines of a picture, and where the rest begins: {shapes, top}. */
function head(run, step, more) {
  const { spec } = run, look = { size: 19, weight: 700 }, name = fitted(sayable(nameOf(run)), INNER, look);
  const facts = [say("run.at", { step, steps: run.steps }), ...(run.info.title ? [spec.sampler, ...knobs(spec.params)] : []),
    spec.model, say("run.lengths", { length: spec.gen_length, block: spec.block_length }), say("run.temperature", { x: decimal(spec.temperature) }), say("run.seed", { x: spec.seed })].join(" · ");
  const lines = [facts, ...more].map((line) => fitted(sayable(line), INNER, { size: 13 }));
  const shapes = [text(EDGE, EDGE + 16, name, look), ...lines.map((line, i) => text(EDGE, EDGE + 39 + 20 * i, line, { size: 13, fill: INK.muted }))];
  return { shapes, top: EDGE + 39 + 20 * lines.length };
}

/** A row of keys from x on: [width, shapes of the swatch at (x, y), words]. */
function keys(x, y, entries) {
  return entries.flatMap(([width, swatch, words]) => {
    const shapes = [...swatch(x, y), text(x + width + 7, y, words, { ...SMALL, middle: true })];
    x += width + 7 + widthOf(words, SMALL) + 18;
    return shapes;
  });
}

/** The entry of the ten colours, with the words at both ends. */
function ramp(least, most) {
  const before = widthOf(least, SMALL) + 7;
  return [before + 140, (x, y) => [text(x, y, least, { ...SMALL, middle: true }), ...CIVIDIS.map((fill, i) => rect(x + before + 14 * i, y - 6, 14, 12, { fill }))], most];
}

/** The token canvas as a picture: the prompt, then a box a token, in the colours of the page. */
export function tokensPicture({ run, step, order }) {
  const { shapes, top } = head(run, step, []);
  const lines = wrapped(sayable(run.spec.prompt), INNER - 16, { size: 14 }, 6);
  shapes.push(rect(EDGE, top, 3, 20 * lines.length, { fill: INK.rule }), ...lines.map((line, i) => text(EDGE + 16, top + 15 + 20 * i, line, { size: 14, fill: INK.muted })));
  let x = EDGE, y = top + 20 * lines.length + 26;
  for (let pos = run.offset; pos < run.length; pos++) {
    const last = look(run, run.states.at(-1)[pos]), inBlock = pos - run.promptLength, border = inBlock > 0 && inBlock % run.spec.block_length === 0;
    const room = Math.min(INNER, Math.max(20, ...everAt(run, pos).map((token) => widthOf(sayable(look(run, token).text), TOKEN))) + 2 * PAD);
    if (last.gap && x > EDGE) x += 6;
    if (x + room + (border ? 20 : 0) > WIDTH - EDGE) { x = EDGE; y += LINE; }
    if (border) { shapes.push(rect(x + 7, y, 2, BOX, { fill: INK.muted }), text(x + 8, y - 3, String(run.blockIndex(pos) + 1), { size: 10, weight: 700, fill: INK.muted, anchor: "middle" })); x += 17; }
    shapes.push(...box(run, step, pos, x, y, room, order));
    x += room + 3;
    if (last.breaks) { x = EDGE; y += LINE; }
  }
  y += x > EDGE ? LINE + 18 : 18;
  const marks = [ramp(say("picture.low"), "100 %"), [20, (at, on) => [rect(at, on - 8, 20, 16, { radius: 4, fill: INK.well, stroke: INK.new, thick: 2.5 })], say("picture.written")],
    ...(run.states[step].includes(run.maskId) ? [[20, (at, on) => [rect(at, on - 8, 20, 16, { radius: 4, fill: INK.well, ...DOTTED })], say("masked")]] : []),
    ...(run.signals.has("slow") ? [[5, (at, on) => [rect(at, on - 8, 5, 16, { fill: INK.slow })], say("slow")], [5, (at, on) => [rect(at, on - 8, 5, 16, { fill: INK.fast })], say("fast")]] : []),
    ...(run.signals.has("independent") ? [[10, (at, on) => [rect(at, on - 5, 10, 10, { radius: 5, fill: INK.set })], say("set.independent")]] : []),
    ...(run.records.some(({ remasked }) => remasked.length) ? [[20, (at, on) => [rect(at, on - 8, 20, 16, { radius: 4, stroke: INK.back, thick: 2, dash: [4, 3] })], say("taken.back")]] : [])];
  shapes.push(...keys(EDGE, y, marks));
  return { width: WIDTH, height: y + EDGE, title: say("picture.tokens.title", { run: nameOf(run), step, steps: run.steps }), shapes };
}

const look = (run, token) => (token === run.maskId ? { text: "", gap: false, breaks: false } : shown(run.piece(token), token === run.eosId));

/** One token in its room. A mask is a dotted box; what the step wrote is ringed and bold. */
function box(run, step, pos, x, y, room, order) {
  const token = run.states[step][pos], masked = token === run.maskId, change = run.since[step][pos], sure = run.sureness[step][pos];
  const fresh = change === step && step > 0, quiet = token === run.eosId, tint = masked || Number.isNaN(sure) ? null : bin(sure);
  const fill = masked ? INK.well : tint === null ? PALE : quiet ? mixed(CIVIDIS[tint], 0.3) : CIVIDIS[tint];
  const dark = tint !== null && !quiet && tint < LIGHT_FROM, noted = (name) => run.value(name, step, pos);
  const ring = masked ? (change ? { stroke: INK.back, thick: 2, dash: [4, 3] } : DOTTED) : fresh ? { stroke: INK.new, thick: 3 } : {};
  const shapes = [rect(x, y, room, BOX, { radius: 6, fill, ...ring })];
  if (noted("slow") !== undefined) shapes.push(noted("slow") === 1 ? rect(x, y + 3, 5, BOX - 6, { fill: INK.slow }) : rect(x + room - 5, y + 3, 5, BOX - 6, { fill: INK.fast }));
  const words = masked ? "" : fitted(sayable(look(run, token).text), room - PAD, TOKEN);
  if (words) shapes.push(text(x + room / 2, y + BOX / 2, words, { ...TOKEN, weight: fresh ? 700 : 400, anchor: "middle", middle: true, cell: true, fill: dark ? "#ffffff" : tint === null ? INK.muted : "#000000" }));
  if (noted("independent") === 1) shapes.push(rect(x + room / 2 - 4, y + BOX - 3, 8, 8, { radius: 4, fill: INK.set, stroke: INK.paper, thick: 1.5 }));
  if (order && !masked && change) shapes.push(text(x + room - 1, y - 2, String(change), { size: 10, weight: 700, anchor: "end", fill: INK.muted }));
  return shapes;
}

/** A colour on white, at a share. */
const mixed = (hex, share) => `#${[1, 3, 5].map((i) => Math.round(255 + share * (parseInt(hex.slice(i, i + 2), 16) - 255)).toString(16).padStart(2, "0")).join("")}`;

/** The map as a picture: a row a step, a column a position, what is drawn as vectors. */
export function mapPicture(state) {
  const { run, step } = state, name = drawn(state), entry = about(name), { share } = scaleOf(run, name);
  const { shapes, top: start } = head(run, step, [`${entry.label}: ${entry.means}`]);
  const columns = run.length - run.offset, rows = Math.max(1, run.steps), left = EDGE + 34, top = start + 18;
  const w = WIDTH - EDGE - left, h = Math.max(160, Math.min(600, 18 * rows)), cw = w / columns, rh = h / rows;
  const x = (pos) => left + (pos - run.offset) * cw, y = (s) => top + (s - 1) * rh;
  shapes.push(rect(left, top, w, h, { fill: INK.well }), ...filled(run, name, share, x, y, cw, rh));
  for (let pos = run.promptLength + run.spec.block_length; pos < run.length; pos += run.spec.block_length) shapes.push(rect(x(pos) - 0.5, top, 1, h, { fill: INK.muted }));
  const thick = Math.max(1.5, Math.min(rh * 0.45, 4));
  shapes.push(cells(run.records.flatMap(({ positions }, i) => positions.map((pos) => [x(pos), y(i + 2) - thick, cw, thick])), INK.new));
  if (step) shapes.push(rect(left, y(step), w, Math.max(2, rh), { stroke: INK.text, thick: 1.5 }));
  shapes.push(...ticks(rows).map((s) => text(left - 6, y(s) + rh / 2, String(s), { ...SMALL, anchor: "end", middle: true })), text(left - 6, top - 7, say("picture.steps"), { ...SMALL, anchor: "end" }));
  for (const n of [0, ...ticks(columns).slice(0, -1)]) shapes.push(text(x(run.offset + n) + cw / 2, top + h + 18, String(run.offset + n), { ...SMALL, anchor: "middle" }));
  shapes.push(text(WIDTH - EDGE, top + h + 18, say("position.axis"), { ...SMALL, anchor: "end" }));
  const foot = top + h + 46;
  const key = entry.flag ? entry.flag.map((word, i) => [20, (at, on) => [rect(at, on - 6, 20, 12, { fill: `rgb(${colour(name, i)})` })], word])
    : [ramp(...ends(run, name))];
  shapes.push(...keys(left, foot, [...key, [20, (at, on) => [rect(at, on - 2, 20, 4, { fill: INK.new })], say("picture.written.then")], ...(step ? [[20, (at, on) => [rect(at, on - 5, 20, 10, { stroke: INK.text, thick: 1.5 })], say("metric.step", { x: step })]] : [])]));
  return { width: WIDTH, height: foot + EDGE, title: say("picture.map.title", { run: nameOf(run), metric: entry.label, steps: run.steps, positions: columns }), shapes };
}

/** The cells, one shape a colour: neighbours of one colour in a row are one rectangle. */
function filled(run, name, share, x, y, cw, rh) {
  const boxes = new Map();
  for (let s = 1; s <= run.steps; s++)
    for (let pos = run.offset, from = pos, held; pos <= run.length; pos++) {
      const value = pos < run.length ? valueOf(run, name, s, pos) : undefined;
      const fill = value === undefined ? undefined : `rgb(${colour(name, share(value))})`;
      if (fill === held && pos < run.length) continue;
      if (held && !boxes.has(held)) boxes.set(held, []);
      if (held) boxes.get(held).push([x(from), y(s), (pos - from) * cw, rh]);
      from = pos; held = fill;
    }
  return Array.from(boxes, ([fill, all]) => cells(all, fill));
}

/** The button with the menu: what, and as which kind of file. */
export function makeSnapshots(store) {
  const draw = { tokens: tokensPicture, map: mapPicture };
  async function save(what, kind) {
    menu.open = false;
    const { state } = store, href = URL.createObjectURL(await toBlob(draw[what](state), kind));
    el("a", { href, download: fileName(state.run, state.step, what, kind) }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  }
  const rows = KINDS.map(([what, title]) => el("div", { role: "group", "aria-label": title }, el("span", {}, title),
    ...["png", "svg"].map((kind) => el("button", { type: "button", className: "dv-toggle", "data-picture": `${what}.${kind}`, "aria-label": say("picture.as", { what: title, kind: kind.toUpperCase() }), onclick: () => save(what, kind) }, kind.toUpperCase()))));
  const summary = el("summary", { className: "dv-toggle", title: say("picture.title") }, say("picture"));
  const menu = el("details", { className: "dv-snapshots", hidden: true }, summary, el("div", {}, ...rows));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    summary.focus();
  });
  document.addEventListener("pointerdown", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("focusout", ({ relatedTarget }) => { if (relatedTarget && !menu.contains(relatedTarget)) menu.open = false; });
  store.on(({ run }) => { menu.hidden = !run; });
  return menu;
}
