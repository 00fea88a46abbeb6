// Two runs place by place: who has written what at a moment, and where they differ. The same rules as
// dlmviz/compare.py, whose numbers a test holds these to. A place is a canvas position less the prompt.

const answers = new WeakMap(), pairs = new WeakMap(), filled = new WeakMap();

/** What stands in a run's answer in the end, so far: {final, since, asked, mask, end, steps}. */
function answerOf(run) {
  const known = answers.get(run);
  if (known?.steps === run.steps) return known;
  const cut = (row) => row.subarray(run.promptLength);
  const final = cut(run.states.at(-1)), mask = run.maskId;
  const asked = Array.from(cut(run.states[0]), (token) => token === mask);
  const end = final.findIndex((token, i) => token === run.eosId && asked[i]);
  const made = { final, since: cut(run.since.at(-1)), asked, mask, end: end < 0 ? final.length : end + 1, steps: run.steps };
  answers.set(run, made);
  return made;
}

/** Whether two runs name tokens by the same numbers, as far as both show. */
export function oneVocabulary(a, b) {
  if (a.maskId !== b.maskId || a.eosId !== b.eosId) return false;
  for (const [token, piece] of a.pieces) if (b.pieces.has(token) && b.pieces.get(token) !== piece) return false;
  return true;
}

/** For each place, how many compared ones were final before its step, and after it. */
function turns({ final, since, asked, mask }, counts) {
  const steps = Array.from(since).filter((step, i) => step > 0 && asked[i] && final[i] !== mask && counts(i)).sort((x, y) => x - y);
  const below = new Map(), upto = new Map();
  steps.forEach((step, i) => { if (!below.has(step)) below.set(step, i); upto.set(step, i + 1); });
  const rank = (step, map, after) => map.get(step) ?? steps.filter((s) => (after ? s <= step : s < step)).length;
  return (i) => [rank(since[i], below, false), rank(since[i], upto, true)];
}

/** What does not depend on the moment: size, what counts, and where the order is the same. */
export function pairOf(a, b) {
  const one = answerOf(a), other = answerOf(b), known = pairs.get(b);
  if (known && known.one === one && known.other === other) return known;
  const size = Math.max(one.final.length, other.final.length), end = Math.max(one.end, other.end);
  const asked = (i) => Boolean(one.asked[i] || other.asked[i]), counts = (i) => i < end && asked(i);
  const [left, right] = [turns(one, counts), turns(other, counts)];
  const meets = Array.from({ length: Math.min(one.final.length, other.final.length) }, (_, i) => {
    const [a0, a1] = left(i), [b0, b1] = right(i);
    return Math.max(a0, b0) < Math.min(a1, b1);
  });
  const made = { a, b, one, other, size, end, asked, meets, comparable: oneVocabulary(a, b) };
  pairs.set(b, made);
  return made;
}

/** What one place is after so many steps of each run; see `kinds` of compare.py. */
export function kindAt({ a, b, one, other, end, asked, meets }, place, stepA, stepB) {
  if (place >= end) return "past";
  if (place >= one.final.length || place >= other.final.length) return "lone";
  if (!asked(place)) return "given";
  const left = a.states[stepA][a.promptLength + place], right = b.states[stepB][b.promptLength + place];
  const inA = left !== one.mask, inB = right !== other.mask;
  if (!inA || !inB) return inA ? "only_a" : inB ? "only_b" : "neither";
  return left !== right ? "token" : meets[place] ? "same" : "order";
}

/** The kinds of all places; null between vocabularies. */
export function kinds(pair, stepA, stepB) {
  return pair.comparable ? Array.from({ length: pair.size }, (_, i) => kindAt(pair, i, stepA, stepB)) : null;
}

/** What a clock shows before the first step of a run and after each. */
export function ticksOf(run, clock) {
  if (clock === "step") return Array.from({ length: run.steps + 1 }, (_, s) => s);
  if (clock === "nfe") { let sum = 0; return [0, ...run.records.map(({ nfe }) => (sum += nfe))]; }
  const counted = filled.get(run) ?? { asked: run.states[0].reduce((n, token) => n + (token === run.maskId), 0), shares: [0] };
  filled.set(run, counted);
  for (let s = counted.shares.length; s <= run.steps; s++) {
    const open = run.states[s].reduce((n, token, pos) => n + (token === run.maskId && run.open(pos)), 0);
    counted.shares.push(Math.max(counted.shares[s - 1], (counted.asked - open) / Math.max(1, counted.asked)));
  }
  return counted.shares;
}

/** The last step whose tick is `at` or less. */
export const stepAt = (ticks, at) => ticks.findLastIndex((tick) => tick <= at + 1e-9);

/** The moments of a clock at which any of these runs does a step, in order. */
export function moments(runs, clock) {
  const all = runs.flatMap((run) => Array.from(ticksOf(run, clock))).sort((x, y) => x - y);
  const apart = all.filter((tick, i) => !i || tick > all[i - 1] + 1e-9);
  return apart.length ? apart : [0];
}
