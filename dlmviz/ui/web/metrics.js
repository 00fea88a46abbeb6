// What the map can show of a run: names, definitions, scales and units, in one table.

import { el } from "./dom.js";
import { RGB, bin, number, percent } from "./palette.js";
import { decimal, say } from "./say.js";

const LN2 = Math.log(2), FAINT = 1e-4; // nats below which a change is drawn like no change

const nats = (x) => (Math.abs(x) < FAINT && x > 0 ? say("nats", { x: decimal("<0.0001") }) : say("nats", { x: short(x) }));
const short = (x) => (Number.isFinite(x) ? decimal(Math.abs(x) < 1e-9 ? 0 : +x.toPrecision(3)) : x > 0 ? "∞" : "−∞");

/** name -> label, one sentence of definition, and the scale; the words stand in the table of say.js.
 * `low` and `high` are fixed ends; where `high` is missing it is the greatest value of the run. `flag` is the pair of words for 0 and 1. */
export const METRICS = {
  confidence: { label: say("confidence"), means: say("metric.confidence.means"), low: 0, high: 1, say: percent },
  entropy: { label: say("entropy"), means: say("metric.entropy.means"), low: 0, say: nats },
  reveal: { label: say("metric.reveal"), means: say("metric.reveal.means"), low: 1, whole: true, say: (x) => say("metric.step", { x }) },
  score: { label: say("ranked"), means: say("metric.score.means"), say: short },
  margin: { label: say("metric.margin"), means: say("metric.margin.means"), low: 0, high: 1, say: short },
  jsd: { label: say("metric.jsd"), means: say("metric.jsd.means"), low: 0, high: LN2, say: nats },
  kl: { label: say("metric.kl"), means: say("metric.kl.means"), log: true, say: nats },
  degree: { label: say("metric.degree"), means: say("metric.degree.means"), low: 0, say: short },
  rank: { label: say("metric.rank"), means: say("metric.rank.means"), low: 1, whole: true, say: (x) => say("metric.rank.say", { x }) },
  threshold: { label: say("metric.threshold"), means: say("metric.threshold.means"), low: 0, high: 1, say: short },
  budget: { label: say("metric.budget"), means: say("metric.budget.means"), low: 0, say: nats },
  depth: { label: say("metric.depth"), means: say("metric.depth.means"), low: 0, whole: true, say: short },
  consistency: { label: say("metric.consistency"), means: say("metric.consistency.means"), low: 0, high: 1, say: percent },
  slow: { label: say("metric.slow"), means: say("metric.slow.means"), flag: [say("fast"), say("slow")], colours: ["#56b4e9", "#e69f00"] },
  independent: { label: say("set.independent"), means: say("metric.independent.means"), flag: [say("metric.independent.not"), say("set.in")], colours: ["#3b496c", "#e1cc55"] },
  cost: { label: say("metric.cost"), means: say("metric.cost.means"), low: 0, say: short },
  spent: { label: say("metric.spent"), means: say("metric.spent.means"), low: 0, say: short },
  local_entropy: { label: say("metric.local_entropy"), means: say("metric.local_entropy.means"), low: 0, say: nats },
  local_agrees: { label: say("metric.local_agrees"), means: say("metric.local_agrees.means"), flag: [say("metric.local_agrees.not"), say("metric.local_agrees.in")], colours: ["#e69f00", "#56b4e9"] },
};
const ALWAYS = ["confidence", "entropy", "reveal"];

/** The entry of a name; signals that the table does not know get a plain one. */
export const about = (name) =>
  Object.hasOwn(METRICS, name) ? METRICS[name] : { label: name.replaceAll("_", " "), means: say("metric.unknown", { name }), say: short };

/** Names that a run can show, in the order of the table; others follow by the alphabet. */
export function offered(run) {
  const order = Object.keys(METRICS), others = [...run.signals].filter((name) => !Object.hasOwn(METRICS, name)).sort();
  return [...order, ...others].filter((name) => ALWAYS.includes(name) || extent(run, name).some);
}

/** The metric that is drawn: the one asked for, or confidence while the run has none of it. */
export const drawn = ({ run, metric }) => (offered(run).includes(metric) ? metric : ALWAYS[0]);

/** One number of a run, or undefined. Where a step ranked by confidence, it sent no score. */
export function valueOf(run, name, step, pos) {
  const source = name === "score" && run.records[step - 1]?.score === null ? "confidence" : name;
  return run.value(source, step, pos);
}

const extents = new WeakMap(); // run -> name -> what was seen of its steps so far

/** {some, low, high} over all steps; looks at each step once. */
function extent(run, name) {
  if (!extents.has(run)) extents.set(run, new Map());
  const known = extents.get(run);
  if (!known.has(name)) known.set(name, { steps: 0, some: false, low: Infinity, high: -Infinity });
  const seen = known.get(name);
  for (; seen.steps < run.steps; seen.steps++) {
    const record = run.records[seen.steps];
    const own = Object.hasOwn(record.signals, name) ? record.signals[name] : null;
    for (const value of own ?? { entropy: record.entropy, score: record.score }[name] ?? []) {
      if (Number.isNaN(value)) continue;
      seen.some = true;
      if (!Number.isFinite(value)) continue;
      if (value < seen.low) seen.low = value;
      if (value > seen.high) seen.high = value;
    }
  }
  return seen;
}

/** {low, high, share(value) in 0..1}: the scale of a metric over the whole run. */
export function scaleOf(run, name) {
  const entry = about(name);
  if (entry.flag) return { low: 0, high: 1, share: (value) => (value > 0.5 ? 1 : 0) };
  const seen = extent(run, name);
  if (entry.log) {
    const high = 10 ** Math.ceil(Math.log10(Math.max(seen.high, 10 * FAINT)));
    return { low: FAINT, high, share: (value) => Math.log(Math.max(value, FAINT) / FAINT) / Math.log(high / FAINT) };
  }
  const low = entry.low ?? Math.min(0, Number.isFinite(seen.low) ? -above(-seen.low) : 0);
  const top = name === "reveal" ? run.steps : Math.max(seen.high, name === "entropy" ? 0.1 : -Infinity);
  const high = entry.high ?? (entry.whole ? Math.max(low + 1, top) : Math.max(low + 1e-6, above(top)));
  return { low, high, share: (value) => (value - low) / (high - low) };
}

/** The next number above with two digits: 3.21 -> 3.3. */
function above(x) {
  if (!Number.isFinite(x) || x === 0) return 0;
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(x))) - 1);
  return +(Math.ceil(x / unit - 1e-9) * unit).toPrecision(3);
}

/** The colour [r, g, b] of a share. */
export function colour(name, share) {
  const { colours } = about(name);
  if (!colours) return RGB[bin(share)];
  const hex = colours[share > 0.5 ? 1 : 0];
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** A value in words, with its unit. */
export function said(name, value) {
  const entry = about(name);
  return entry.flag ? entry.flag[value > 0.5 ? 1 : 0] : entry.say(value);
}

/** Why there is no value: the position was decided before, or the sampler did not look at it. */
export function absence(run, name, step, pos) {
  if (name === "reveal") return say("masked");
  return say(step > 0 && run.masked(step - 1, pos) ? "metric.unlooked" : "metric.decided");
}

/** What stands at the two ends of a metric's scale. */
export function ends(run, name) {
  const entry = about(name), { low, high } = scaleOf(run, name);
  return name === "confidence" || name === "consistency" ? ["0", "100 %"]
    : name === "reveal" ? [say("metric.step", { x: 1 }), String(high)]
    : name === "jsd" ? ["0", say("nats", { x: `ln 2 = ${decimal("0.693")}` })]
    : entry.log ? [`≤ ${decimal(low)}`, say("metric.log", { x: short(high) })]
    : entry.say === nats ? [number(low, 2), nats(high)] : [short(low), short(high)];
}

/** Fills the element with the scale: colours and the numbers or words at its ends. */
export function legend(box, run, name) {
  const entry = about(name);
  const swatch = (rgb, mark = null) => el("i", { style: `background:rgb(${rgb})`, className: mark ?? "" });
  if (entry.flag) {
    box.replaceChildren(...entry.flag.map((word, i) =>
      el("span", { className: "dv-flag" }, swatch(colour(name, i), i ? "dv-one" : "dv-zero"), word)));
    return;
  }
  const [least, most] = ends(run, name);
  box.replaceChildren(el("span", {}, least), el("span", { className: "dv-bins" }, ...RGB.map((rgb) => swatch(rgb))), el("span", {}, most));
}
