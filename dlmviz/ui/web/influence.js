// Runs whose arcs are influences that a trained predictor read off the hidden states (DEMASK): what is
// said of them, and how a step spent its budget.

import { el } from "./dom.js";
import { number } from "./palette.js";
import { has, say } from "./say.js";
import { LEFT, RIGHT, sheet } from "./segments.js";

const SPENT = /^within budget: \S+ of (\S+) spent$/; // a reason of the sampler, which stays English
const budgets = new WeakMap();
const TOP = 8, BOTTOM = 6;

/** Whether the arcs of a run are predicted influences, and not attention. */
export const predicted = (run) => run.signals.has("spent") && run.signals.has("cost");

/** A text of the arcs, in the words for influences where the run has them and the text has such. */
export const told = (run, key, values) => say(predicted(run) && has(`${key}.predicted`) ? `${key}.predicted` : key, values);

/** The budget of a step: what the run was given, else what its reasons name; null where neither. */
export function budgetOf(run) {
  const { sampler, params } = run.spec, given = params[sampler === "demask" ? "tau" : "base.tau"];
  if (typeof given === "number") return given;
  if (!budgets.has(run)) for (const { why } of run.records) {
    const named = Array.from(why.values(), (reason) => SPENT.exec(reason)).find(Boolean);
    if (named) { budgets.set(run, Number(named[1])); break; }
  }
  return budgets.get(run) ?? null;
}

/** What a step tried, in its order: [{pos, cost, spent, taken}]; `spent` is the sum behind it. */
export function tried(run, step) {
  const record = run.records[step - 1];
  if (!record?.signals.cost) return [];
  const found = [...record.at].filter((pos) => run.value("cost", step, pos) !== undefined).map((pos) => ({
    pos, cost: run.value("cost", step, pos), spent: run.value("spent", step, pos), taken: record.positions.includes(pos), score: (record.score ?? record.confidence)[record.rows[pos]],
  }));
  const raised = ({ taken, cost }) => Number(!(taken && cost > 0)); // scores are rounded: what was spent tells the order first
  return found.sort((a, b) => a.spent - b.spent || raised(a) - raised(b) || b.score - a.score || a.pos - b.pos);
}

/** A bar for each token tried, from what was spent before it to that and its cost: filled where it was
 * accepted, hollow where it was not, under the line of the budget. Returns {box, show}. */
export function makeBudget() {
  const canvas = el("canvas", { className: "dv-budget", role: "img" }), caption = el("figcaption", { className: "dv-quiet" });
  const box = el("figure", { className: "dv-budgets" }, caption, canvas);
  function show({ run, step }, ink, focus) {
    box.hidden = !predicted(run);
    if (box.hidden) return;
    const bars = tried(run, step), tau = budgetOf(run), over = bars.filter(({ taken }) => !taken).length;
    const spent = Math.max(0, ...bars.map((bar) => bar.spent));
    const text = say(!bars.length ? "budget.none" : over ? "budget.said" : "budget.all", { step, n: bars.length - over, over, spent: number(spent, 3), tau: tau === null ? "?" : number(tau, 3) });
    if (caption.textContent !== text) { caption.textContent = text; canvas.setAttribute("aria-label", text); }
    canvas.hidden = !bars.length;
    if (bars.length) draw(canvas, ink, bars, tau, focus);
  }
  return { box, show };
}

function draw(canvas, ink, bars, tau, focus) {
  const field = sheet(canvas);
  if (!field) return;
  const { g, width, height } = field, base = height - BOTTOM;
  const most = Math.max(...bars.map(({ spent, cost, taken }) => (taken ? spent : spent + cost)), 1e-6);
  const top = Math.max(tau === null ? most : Math.min(most, 2.5 * tau), 1.3 * (tau ?? 0)); // what is far over runs out of the picture
  const y = (value) => base - ((base - TOP) * Math.min(value, top)) / top, wide = (width - LEFT - RIGHT) / bars.length;
  g.fillStyle = ink.rule; g.fillRect(LEFT, base, width - LEFT - RIGHT, 1);
  bars.forEach(({ pos, cost, spent, taken }, i) => {
    const from = taken ? spent - cost : spent, x = LEFT + i * wide + Math.min(2, wide * 0.15), w = Math.max(1.5, Math.min(26, wide * 0.7));
    const high = Math.max(2, y(from) - y(from + cost)), edge = pos === focus ? ink.accent : taken ? ink.set : ink.muted;
    g.fillStyle = taken ? ink.set : ink.paper; g.strokeStyle = edge; g.lineWidth = pos === focus ? 2 : 1;
    g.fillRect(x, y(from) - high, w, high);
    if (!taken || pos === focus) g.strokeRect(x, y(from) - high, w, high);
  });
  if (tau === null) return;
  g.strokeStyle = g.fillStyle = ink.text; g.lineWidth = 1.2;
  g.setLineDash([5, 4]); g.beginPath(); g.moveTo(LEFT, y(tau)); g.lineTo(width - RIGHT, y(tau)); g.stroke(); g.setLineDash([]);
  g.font = `700 12px ${ink.family}`; g.textAlign = "right"; g.textBaseline = "middle"; g.fillText("τ", LEFT - 6, y(tau));
}
