// What the map can show of a run: names, definitions, scales and units, in one table.

import { el } from "./dom.js";
import { RGB, bin, number, percent } from "./palette.js";

const LN2 = Math.log(2), FAINT = 1e-4; // nats below which a change is drawn like no change

const nats = (x) => (Math.abs(x) < FAINT && x > 0 ? "<0.0001 nats" : `${short(x)} nats`);
const short = (x) => (Number.isFinite(x) ? String(Math.abs(x) < 1e-9 ? 0 : +x.toPrecision(3)) : x > 0 ? "∞" : "−∞");

/** name -> label, one sentence of definition, and the scale. `low` and `high` are fixed ends; where
 * `high` is missing it is the greatest value of the run. `flag` is the pair of words for 0 and 1. */
export const METRICS = {
  confidence: { label: "confidence", means: "Probability of the token the model would write, wherever it was still asked.", low: 0, high: 1, say: percent },
  entropy: { label: "entropy", means: "How undecided the model was, in nats, wherever it was still asked: 0 is certain.", low: 0, say: nats },
  reveal: { label: "reveal step", means: "The step that wrote each position; blank while it is masked.", low: 1, whole: true, say: (x) => `step ${x}` },
  score: { label: "ranked by", means: "The number this sampler sorted positions by: the higher, the sooner it is written.", say: short },
  margin: { label: "margin", means: "Probability of the best token minus that of the second best: 0 is a tie.", low: 0, high: 1, say: short },
  jsd: { label: "JSD", means: "How much the guess changes when an earlier block is hidden, in nats: 0 is not at all, ln 2 entirely.", low: 0, high: LN2, say: nats },
  kl: { label: "KL", means: "How much the guess changed since the step before: KL(now ‖ before) in nats, on a logarithmic scale.", log: true, say: nats },
  degree: { label: "degree", means: "Sum of a position's edge scores: how strongly it and the other masked positions attend to each other.", low: 0, say: short },
  rank: { label: "rank", means: "Place in the sampler's order at this step: 1 comes first.", low: 1, whole: true, say: (x) => `rank ${x}` },
  threshold: { label: "threshold", means: "The limit in force here: the confidence to reach, or, for DAPD, the conflict that is allowed.", low: 0, high: 1, say: short },
  budget: { label: "entropy budget", means: "Nats of entropy spent if every rank up to this one is written at once; up to gamma, they are.", low: 0, say: nats },
  depth: { label: "draft depth", means: "The group of the draft with which a token was accepted: 0 is the policy, without a draft.", low: 0, whole: true, say: short },
  consistency: { label: "consistency", means: "Probability of a written token given all the others; the lowest are taken back.", low: 0, high: 1, say: percent },
  slow: { label: "slow set", means: "Slow positions react to context and need more confidence; fast ones need less.", flag: ["fast", "slow"], colours: ["#56b4e9", "#e69f00"] },
  independent: { label: "independent set", means: "Positions that this step took to be independent of each other, so that they can be written at once.", flag: ["not in the set", "in the set"], colours: ["#3b496c", "#e1cc55"] },
};
const ALWAYS = ["confidence", "entropy", "reveal"];

/** The entry of a name; signals that the table does not know get a plain one. */
export const about = (name) =>
  Object.hasOwn(METRICS, name) ? METRICS[name] : { label: name.replaceAll("_", " "), means: `“${name}”: a number that this run recorded, in its own unit.`, say: short };

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
  if (name === "reveal") return "masked";
  return step > 0 && run.masked(step - 1, pos) ? "not looked at" : "decided";
}

/** What stands at the two ends of a metric's scale. */
export function ends(run, name) {
  const entry = about(name), { low, high } = scaleOf(run, name);
  return name === "confidence" || name === "consistency" ? ["0", "100 %"]
    : name === "reveal" ? ["step 1", String(high)]
    : name === "jsd" ? ["0", "ln 2 = 0.693 nats"]
    : entry.log ? [`≤ ${low}`, `${short(high)} nats, log`]
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
