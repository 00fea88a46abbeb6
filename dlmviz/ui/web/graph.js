// This step's attention graph as numbers, and drawn as nodes on a circle; degrees as a table.

import { el, named } from "./dom.js";
import { predicted } from "./influence.js";
import { decimal, say } from "./say.js";
import { sheet } from "./segments.js";

const MOST = 64; // nodes that a circle has room for
export const DRAWN = 400; // arcs that are drawn; weaker ones would lie under them, and cost time

/** The token a step wrote or would have written at a position, as the model proposed it. */
export function proposed(run, step, pos) {
  const record = run.records[step - 1];
  const index = record ? record.positions.indexOf(pos) : -1;
  return index >= 0 ? record.tokens[index] : run.thought(step, pos)?.top[0]?.id;
}

/** How a token is named beside a mark: short, without the blank of its word gap. */
export function label(run, token, most = 9) {
  if (token === run.eosId) return "eos";
  const text = named(run.piece(token)).replace(/^␣(?=.)/, "");
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** tau in force at a step, where the sampler compared edges with it; null elsewhere. Other samplers
 * record a threshold too, of confidences: only one that makes an independent set means edges. */
export function tauOf(run, step) {
  const signals = run.records[step - 1]?.signals;
  if (!signals?.independent || !signals.threshold) return null;
  const tau = signals.threshold.find((value) => !Number.isNaN(value));
  return tau === undefined ? null : tau;
}

/** What the strength of an arc is, and which are drawn, in words. */
export function meaning(run) {
  const drawn = say("graph.drawn");
  if (predicted(run)) return say("graph.influence", { drawn });
  if (!run.signals.has("independent")) return say("graph.plain", { drawn });
  return say(overall(run) ? "graph.whole" : "graph.later", { drawn });
}

/** Whether one divisor serves all pairs, as in the text of DAPD; its codes take one a position. */
const overall = ({ spec }) => [spec.params.variant, spec.params["base.variant"]].includes("paper");

/** The edges of a step with `normalised`, from 0 to 1. An influence is what it is. Where the step made an independent set, this is
 * what its rule compared with tau: N_ij = R_ij / max_k R_ik of the position i that it came to later,
 * by falling score, ties to the lower position. Elsewhere it is the larger of N_ij and N_ji. */
function normalise(run, step, edges) {
  if (predicted(run)) return edges.map((edge) => ({ ...edge, normalised: edge.score, shade: edge.score ** 0.25 }));
  const record = run.records[step - 1], greatest = new Map();
  for (const { a, b, score } of edges) for (const end of [a, b]) greatest.set(end, Math.max(greatest.get(end) ?? 0, score));
  const top = Math.max(...greatest.values()), tau = tauOf(run, step), scores = record.score ?? record.confidence;
  const member = (pos) => run.value("independent", step, pos);
  // what the rule does not rank, it commits beforehand: it stops no other
  const rank = (pos) => (member(pos) === undefined ? Infinity : scores[record.rows[pos]]);
  const later = (a, b) => (rank(a) < rank(b) || (rank(a) === rank(b) && a > b) ? a : b);
  return edges.map((edge) => {
    const { a, b, score } = edge, last = later(a, b);
    const ruled = record.signals.independent && rank(last) !== Infinity;
    const divisor = !ruled ? Math.min(greatest.get(a), greatest.get(b)) : overall(run) ? top : greatest.get(last);
    const value = score / Math.max(1e-8, divisor);
    // the rule let both in: scores are rounded to float16, which must not speak against it
    const both = tau !== null && member(a) === 1 && member(b) === 1;
    return { ...edge, normalised: both ? Math.min(value, tau) : value };
  });
}

/** What a step looked at, once: {edges ascending, nodes [{pos, degree, set, why}] by position}. */
export function graphOf(run, step) {
  const record = run.records[step - 1];
  if (!record?.links) return null;
  if (record.graph) return record.graph;
  const edges = normalise(run, step, run.edges(step));
  const members = new Set(edges.flatMap(({ a, b }) => [a, b]));
  for (const pos of record.at) if (run.value("degree", step, pos) !== undefined || run.value("cost", step, pos) !== undefined) members.add(pos);
  const inSet = predicted(run) ? (pos) => record.positions.includes(pos) : (pos) => run.value("independent", step, pos) === 1;
  const nodes = [...members].sort((p, q) => p - q).map((pos) => ({
    pos, degree: run.value("degree", step, pos), set: inSet(pos), why: record.why.get(pos) ?? "",
  }));
  record.graph = { edges: edges.sort((e, f) => e.normalised - f.normalised), nodes };
  return record.graph;
}

/** Edges at or above the threshold, weakest first; only those above it where it is the sampler's own,
 * for which equality is no conflict. With a brushed span, those that touch it. */
export function kept(graph, cut, selection, own) {
  const inside = (pos) => !selection || (pos >= selection[0] && pos <= selection[1]);
  return graph.edges.filter(({ a, b, normalised }) => (normalised > cut || (normalised === cut && !own)) && (inside(a) || inside(b)));
}

/** Opacity and width of an edge of this strength. */
export const strength = (value) => ({ alpha: 0.12 + 0.7 * value ** 3, width: 0.5 + 2 * value * value });

/** Draws a node: in the set filled and ringed, else hollow. */
export function node(g, ink, x, y, r, set, strong) {
  g.beginPath(); g.arc(x, y, r, 0, 7);
  g.fillStyle = set ? ink.set : ink.paper; g.fill();
  g.strokeStyle = set ? ink.set : strong ? ink.accent : ink.muted; g.lineWidth = strong ? 2 : 1.4; g.stroke();
  if (!set) return;
  g.beginPath(); g.arc(x, y, r + 2.6, 0, 7); g.lineWidth = 1.4; g.stroke();
}

/** The nodes on the circle: the `MOST` of highest degree, each at the angle of its position in the
 * span, so that a node stays where it is while others leave. */
export function layout(run, step, graph, width, height) {
  const chosen = graph.nodes.length <= MOST ? graph.nodes
    : [...graph.nodes].sort((p, q) => (q.degree ?? 0) - (p.degree ?? 0)).slice(0, MOST);
  const [first, end] = run.block(step);
  const from = Math.min(first, ...chosen.map(({ pos }) => pos)), to = Math.max(end, ...chosen.map(({ pos }) => pos + 1));
  const radius = Math.max(40, Math.min(width, height) / 2 - 54);
  return chosen.map((entry) => {
    const angle = -Math.PI / 2 + (2 * Math.PI * (entry.pos - from + 0.5)) / (to - from);
    return { ...entry, angle, x: width / 2 + radius * Math.cos(angle), y: height / 2 + radius * Math.sin(angle) };
  });
}

/** Draws the node-link graph. `focus` is the position whose edges stand out, or null. */
export function drawGraph(canvas, ink, { run, step }, graph, edges, focus) {
  const field = sheet(canvas);
  if (!field) return [];
  const { g, width, height } = field;
  const placed = layout(run, step, graph, width, height), at = new Map(placed.map((entry) => [entry.pos, entry]));
  const lit = at.has(focus) ? focus : null, near = new Set([lit]);
  g.lineCap = "round";
  for (const { a, b, normalised, shade } of edges.slice(-DRAWN)) {
    const p = at.get(a), q = at.get(b);
    if (!p || !q) continue;
    const mine = a === lit || b === lit, { alpha, width: thick } = strength(shade ?? normalised);
    if (mine) near.add(a).add(b);
    g.globalAlpha = lit === null ? alpha : mine ? Math.max(0.45, alpha) : alpha * 0.12;
    g.strokeStyle = mine ? ink.accent : ink.muted; g.lineWidth = thick;
    g.beginPath(); g.moveTo(p.x, p.y); g.lineTo(q.x, q.y); g.stroke();
  }
  const r = placed.length > 40 ? 3.5 : 5;
  g.textBaseline = "middle";
  for (const { pos, x, y, angle, set } of placed) {
    g.globalAlpha = lit === null || near.has(pos) ? 1 : 0.35;
    node(g, ink, x, y, r, set, pos === lit);
    const left = Math.cos(angle) < -1e-9;
    g.save();
    g.translate(x + 11 * Math.cos(angle), y + 11 * Math.sin(angle));
    g.rotate(left ? angle + Math.PI : angle);
    g.textAlign = left ? "right" : "left";
    g.font = `${set ? "700 " : ""}11px ${ink.family}`; g.fillStyle = set || pos === lit ? ink.text : ink.muted;
    g.fillText(label(run, proposed(run, step, pos), 8), 0, 0);
    g.restore();
  }
  g.globalAlpha = 1;
  return placed;
}

/** Why a node is in the set or not, in words; empty where no set was made. */
export const verdict = (run, { set, why }) => (predicted(run) ? why : set ? say("set.in") : why === "independent" ? "" : why);

/** The table of degrees, highest first. Rows are kept and filled anew. Returns {box, fill}. */
export function makeDegrees(pick) {
  const body = el("tbody"), head = el("tr"), note = el("caption");
  const box = el("div", { className: "dv-table dv-degrees", tabIndex: 0, role: "group", "aria-label": say("graph.degrees") },
    el("table", {}, note, el("thead", {}, head), body));
  const rows = [];
  const row = () => {
    const button = el("button", { type: "button", className: "dv-pick", onclick: () => pick(Number(button.textContent)) });
    const cells = [button, el("td", { dir: "auto" }), el("td"), el("td")];
    const line = el("tr", {}, el("th", { scope: "row" }, button), ...cells.slice(1));
    rows.push({ line, cells });
    body.append(line);
  };
  function fill({ run, step }, graph, edges, focus) {
    const arcs = new Map();
    for (const { a, b } of edges) for (const end of [a, b]) arcs.set(end, (arcs.get(end) ?? 0) + 1);
    const weighed = graph.nodes.some(({ degree }) => degree !== undefined), sets = run.signals.has("independent");
    const order = (entry) => (weighed ? entry.degree ?? 0 : arcs.get(entry.pos) ?? 0);
    const listed = [...graph.nodes].sort((p, q) => order(q) - order(p) || p.pos - q.pos).slice(0, MOST);
    note.textContent = graph.nodes.length > MOST ? say("graph.highest", { n: MOST, of: graph.nodes.length }) : say("graph.step", { step });
    head.replaceChildren(...["position", "graph.proposed", weighed ? "metric.degree" : "graph.arcs", sets ? "graph.in_set" : "why"].map((key) => el("th", { scope: "col" }, say(key))));
    while (rows.length < listed.length) row();
    rows.forEach(({ line, cells }, i) => {
      const entry = listed[i];
      line.hidden = !entry;
      if (!entry) return;
      const texts = [entry.pos, label(run, proposed(run, step, entry.pos), 10), weighed ? decimal((entry.degree ?? 0).toFixed(3)) : arcs.get(entry.pos) ?? 0, verdict(run, entry)];
      texts.forEach((text, j) => { if (cells[j].textContent !== String(text)) cells[j].textContent = text; });
      line.classList.toggle("dv-member", entry.set);
      line.classList.toggle("dv-lit", entry.pos === focus);
    });
  }
  return { box, fill };
}
