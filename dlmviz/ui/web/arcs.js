// Who depends on whom: the graph of attention, or of predicted influence, that a step looked at, as arcs over the position axis
// or as nodes on a circle, from a threshold on.

import { el } from "./dom.js";
import { DRAWN, drawGraph, graphOf, kept, label, makeDegrees, meaning, node, proposed, strength, tauOf, verdict } from "./graph.js";
import { makeBudget, predicted, told } from "./influence.js";
import { number } from "./palette.js";
import { LEFT, RIGHT, axis, inks, lazily, positions, sheet } from "./segments.js";
import { decimal, many, say } from "./say.js";
import { choose } from "./store.js";

const NONE = say("arcs.none");
const TOP = 8, WORDS = 64, TICKS = 18; // around the arcs: above, tokens below, positions below
const HALF = 0.4, LITTLE = 0.02; // threshold where the run has none of its own: of attention, of influence
const LISTED = 200; // arcs in the table

/** The step that is drawn: before step 1, what it will look at. */
const seen = ({ run, step }) => Math.min(run.steps, Math.max(1, step));

/** Whether any step so far has a graph. */
const graphed = (run) => run.records.some(({ links }) => links);

/** Why a step has no arc to draw, in one sentence; null where it has some. */
function emptiness(run, step) {
  if (!graphed(run)) return NONE;
  const record = run.records[step - 1], open = record.confidence.filter((value) => !Number.isNaN(value)).length;
  if (record.links) return record.links.scores.length ? null : told(run, open > 1 ? "arcs.no_two" : "arcs.one_left", { step });
  return told(run, open ? "arcs.unlooked" : "arcs.all_stood", { step });
}

/** Draws arcs, nodes and the tokens under them. */
function drawArcs(canvas, ink, state, graph, edges, focus) {
  const field = sheet(canvas);
  if (!field) return;
  const { run, step } = state, { g, width, height } = field;
  const { cw, x } = axis(run, width), base = height - WORDS - TICKS, middle = (pos) => x(pos) + cw / 2;
  positions(g, run, width, height - TICKS + 4, ink);
  g.fillStyle = ink.rule; g.fillRect(LEFT, base, width - LEFT - RIGHT, 1);
  const lit = graph.nodes.some(({ pos }) => pos === focus) ? focus : null, near = new Set([lit]);
  const longest = Math.max(1, ...edges.map(({ a, b }) => b - a));
  for (const { a, b, normalised, shade } of edges.slice(-DRAWN)) {
    const mine = a === lit || b === lit, { alpha, width: thick } = strength(shade ?? normalised);
    if (mine) near.add(a).add(b);
    g.globalAlpha = lit === null ? alpha : mine ? Math.max(0.45, alpha) : alpha * 0.12;
    g.strokeStyle = mine ? ink.accent : ink.muted; g.lineWidth = thick;
    const across = ((b - a) * cw) / 2, up = (base - TOP - 8) * Math.sqrt((b - a) / longest);
    g.beginPath(); g.ellipse((middle(a) + middle(b)) / 2, base - 5, across, up, 0, Math.PI, 2 * Math.PI); g.stroke();
  }
  const r = Math.max(1.2, Math.min(4.5, cw * 0.3));
  for (const { pos, set } of graph.nodes) {
    g.globalAlpha = lit === null || near.has(pos) ? 1 : 0.4;
    node(g, ink, middle(pos), base, r, set, pos === lit);
  }
  words(g, ink, state, graph, { base, cw, middle, near, lit });
  g.globalAlpha = 1;
}

/** Tokens under the axis, upright where they fit: the words that the graph is about in dark, those
 * decided before in grey. Where there is no room, those of the position under discussion. */
function words(g, ink, { run, step }, graph, { base, cw, middle, near, lit }) {
  const nodes = new Map(graph.nodes.map((entry) => [entry.pos, entry]));
  const all = cw >= 8, size = Math.max(10, Math.min(12, cw));
  g.textBaseline = "middle"; g.textAlign = "right";
  for (let pos = run.offset; pos < run.length; pos++) {
    const entry = nodes.get(pos), token = run.states[step][pos];
    if (!entry && (token === run.maskId || !all)) continue;
    if (!all && !(lit !== null && near.has(pos))) continue;
    g.globalAlpha = lit === null || near.has(pos) ? 1 : 0.4;
    g.fillStyle = entry ? ink.text : ink.muted;
    g.font = `${entry?.set ? "700 " : ""}${size}px ${ink.family}`;
    g.save();
    g.translate(middle(pos), base + 10);
    g.rotate(-Math.PI / 2);
    g.fillText(label(run, entry ? proposed(run, step, pos) : token), 0, 0);
    g.restore();
  }
}

/** One sentence: what is drawn, or whom the position under discussion depends on. */
function said({ run, step }, graph, edges, focus, cut, own) {
  const entry = graph.nodes.find(({ pos }) => pos === focus);
  const word = (pos) => `${pos} ${say("quoted", { text: label(run, proposed(run, step, pos)) })}`;
  if (!entry) {
    const members = graph.nodes.filter(({ set }) => set).map(({ pos }) => pos);
    const some = members.slice(0, 10).join(", ") + (members.length > 10 ? ", …" : "");
    const most = edges.length > DRAWN ? say("arcs.most", { n: DRAWN }) : "";
    const drawn = say(own ? "arcs.above" : "arcs.from", { step, n: edges.length, of: graph.edges.length, cut: number(cut), most });
    return members.length ? `${drawn} ${told(run, "arcs.set", { some })}` : drawn;
  }
  const mine = edges.filter(({ a, b }) => a === focus || b === focus).reverse();
  const partners = mine.slice(0, 3).map(({ a, b, normalised }) => `${word(a === focus ? b : a)} ${decimal(normalised.toFixed(2))}`);
  const links = mine.length ? many("arcs.links", mine.length, { partners: partners.join(", ") }) : say(own ? "arcs.no_link" : "arcs.no_link.cut");
  return `${word(focus)}: ${links}${entry.why ? `; ${predicted(run) || !entry.set ? entry.why : verdict(run, entry)}` : ""}.`;
}

/** The twin of the drawing: arcs from the threshold on, strongest first. */
function listArcs(table, { run, step }, edges) {
  const rows = edges.slice(-LISTED).reverse().map(({ a, b, normalised, score }) => el("tr", {},
    ...[a, b].map((pos) => el("td", { dir: "auto" }, `${pos} ${label(run, proposed(run, step, pos), 14)}`)),
    el("td", {}, number(normalised, 3)), predicted(run) ? null : el("td", {}, number(score, 5))));
  table.replaceChildren(el("table", {}, el("caption", {}, say(edges.length > LISTED ? "arcs.listed.most" : "arcs.listed", { step, n: LISTED, of: edges.length })),
    el("thead", {}, el("tr", {}, ...["first", "other", ...(predicted(run) ? ["influence"] : ["normalised", "raw"])].map((key) => el("th", { scope: "col" }, say(`arcs.column.${key}`))))), el("tbody", {}, ...rows)));
}

/** The threshold slider, on a square-root scale because thresholds are small, with the mark of tau. */
function makeCut(change) {
  const range = el("input", { type: "range", min: 0, max: 100, step: 1, className: "dv-cut",
    oninput: () => change((range.value / 100) ** 2) });
  const value = el("output", {}), mark = el("i", { className: "dv-tau", "aria-hidden": "true" });
  const follow = el("button", { type: "button", className: "dv-toggle dv-follow", title: say("arcs.follow"), onclick: () => change(null) });
  const word = el("label", {}), box = el("div", { className: "dv-threshold" }, word, el("span", { className: "dv-groove" }, range, mark), value, follow);
  function show(run, cut, tau, following, known) {
    range.setAttribute("aria-label", told(run, "arcs.weakest"));
    range.value = Math.round(100 * Math.sqrt(cut));
    range.setAttribute("aria-valuetext", number(cut));
    value.textContent = decimal(cut.toFixed(2));
    follow.hidden = !known;
    for (const { style } of [mark, follow]) style.visibility = tau === null ? "hidden" : ""; // they keep their room
    mark.style.setProperty("--at", Math.sqrt(tau ?? 0));
    follow.textContent = `τ ${decimal((tau ?? 0).toFixed(2))}`;
    follow.setAttribute("aria-pressed", String(following));
    word.textContent = say(following && tau !== null ? "arcs.cut.above" : "arcs.cut.from");
  }
  return { box, show };
}

/** The two views and the button of each. */
function makeViews(parts, change) {
  const buttons = ["arcs", "graph"].map((name) =>
    el("button", { type: "button", className: "dv-toggle", "aria-pressed": String(name === "arcs"), onclick: () => set(name) }, say(`arcs.${name}`)));
  function set(name) {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === (name === "arcs" ? 0 : 1))));
    parts.arcs.hidden = name !== "arcs";
    parts.graph.hidden = name !== "graph";
    change(name);
  }
  return el("div", { className: "dv-toggles", role: "group", "aria-label": say("arcs.view") }, ...buttons);
}

/** What dots and lines mean. Returns {box, show(run)}. */
function makeKey() {
  const dot = (name) => el("i", { className: `dv-dot ${name}`, "aria-hidden": "true" });
  const set = el("span", {}), box = el("p", { className: "dv-quiet dv-dots" },
    el("span", { className: "dv-of-set" }, dot("dv-dot-in"), set), el("span", {}, dot("dv-dot-out"), el("span", {}, el("span", { className: "dv-of-set" }, `${say("arcs.key.other")} `), say("arcs.key.candidates"))),
    el("span", {}, el("i", { className: "dv-thick", "aria-hidden": "true" }), say("arcs.key.thick")));
  const show = (run) => {
    set.textContent = told(run, "arcs.key.set");
    box.classList.toggle("dv-setless", !run.signals.has("independent") && !predicted(run));
  };
  return { box, show };
}

export function makeDepend(store) {
  const arcs = el("canvas", { className: "dv-arcs", role: "img" }), circle = el("canvas", { className: "dv-circle", role: "img" });
  const degrees = makeDegrees((pos) => pick(pos)), table = el("div", { className: "dv-table", tabIndex: 0, role: "region", "aria-label": say("arcs.table") });
  const graphView = el("div", { className: "dv-graph", hidden: true }, circle, degrees.box);
  const read = el("p", { className: "dv-read" }), none = el("p", { className: "dv-quiet" }), means = el("p", { className: "dv-quiet" }), strengths = el("p", { className: "dv-quiet" });
  const twin = el("details", { className: "dv-twin", ontoggle: () => ask() }, el("summary", {}, say("arcs.as_table")), table);
  let view = "arcs", cut = null, held = false, ink = null, placed = [];
  const slider = makeCut((value) => { cut = value; ask(); });
  const views = makeViews({ arcs, graph: graphView }, (name) => { view = name; ask(); }), key = makeKey(), budget = makeBudget();
  const body = el("div", { className: "dv-linked" },
    means, strengths, key.box, arcs, graphView, read, slider.box, budget.box, twin);
  const panel = el("section", { className: "dv-panel dv-depend", "aria-label": say("arcs.title") },
    el("header", {}, el("h3", {}, say("arcs.title")), views), none, body);
  /** The position whose arcs stand out: what is pointed at, or what a person chose. */
  const focused = ({ hover, pos }) => hover?.pos ?? (held ? pos : null);
  const ask = lazily(panel, store, (now) => {
    const state = { ...now, step: seen(now) };
    const { run, step, selection } = state, tau = tauOf(run, step), graph = graphOf(run, step) ?? { nodes: [], edges: [] };
    const known = run.signals.has("independent") && run.signals.has("threshold");
    const bound = cut ?? tau ?? (predicted(run) ? LITTLE : HALF), focus = focused(state), own = cut === null && tau !== null;
    const edges = kept(graph, bound, selection, own);
    ink ??= inks(panel);
    slider.show(run, bound, tau, cut === null && known, known);
    Object.assign(panel.dataset, { step, arcs: edges.length, focus: focus ?? "", cut: bound.toFixed(4), tau: tau === null ? "" : tau.toFixed(4) });
    if (body.hidden) return;
    budget.show(state, ink, focus);
    if (view === "arcs") drawArcs(arcs, ink, state, graph, edges, focus);
    else {
      placed = drawGraph(circle, ink, state, graph, edges, focus);
      degrees.fill(state, graph, edges, focus);
    }
    read.textContent = said(state, graph, edges, focus, bound, own);
    if (!state.playing) for (const canvas of [arcs, circle]) canvas.setAttribute("aria-label", told(run, "arcs.canvas", { step, n: edges.length, cut: number(bound) }));
    if (twin.open && !state.playing) listArcs(table, state, edges);
  });
  store.on(({ run }, changed) => {
    if (!run || !["run", "step", "pos", "hover", "grown", "theme", "selection", "playing"].some((name) => changed.has(name))) return;
    if (changed.has("theme")) ink = null;
    if (changed.has("run")) { cut = null; held = false; }
    else if (changed.has("pos")) held = true;
    if (["run", "grown", "step"].some((name) => changed.has(name))) {
      none.textContent = run.steps ? emptiness(run, seen(store.state)) ?? "" : NONE;
      none.hidden = !none.textContent;
      body.hidden = views.hidden = !none.hidden;
    }
    if (changed.has("run") || changed.has("grown")) {
      strengths.textContent = meaning(run);
      means.textContent = told(run, "arcs.means");
      key.show(run);
    }
    ask();
  });
  pointing(store, arcs, (event) => axis(store.state.run, arcs.clientWidth).at(event.offsetX), pick);
  pointing(store, circle, (event) => nearest(placed, event), pick);
  /** A second click on the same place shows all arcs again. */
  function pick(pos) {
    const again = pos === null || (held && pos === store.state.pos);
    if (again) store.set({ hover: null });
    else choose(store, pos);
    held = !again;
    ask();
  }
  return panel;
}

/** Position of the node under the pointer, or null. */
const nearest = (placed, { offsetX, offsetY }) => placed.map(({ pos, x, y }) => ({ pos, far: Math.hypot(x - offsetX, y - offsetY) }))
  .filter(({ far }) => far < 16).sort((p, q) => p.far - q.far)[0]?.pos ?? null;

function pointing(store, canvas, place, pick) {
  canvas.addEventListener("pointermove", (event) => {
    const pos = store.state.run && place(event);
    if ((store.state.hover?.pos ?? null) !== pos) store.set({ hover: pos === null ? null : { pos } });
  });
  canvas.addEventListener("pointerleave", () => store.set({ hover: null }));
  canvas.addEventListener("click", (event) => pick(place(event)));
}
