// The position card: what stands at one position, and what the model thought of it at that step.

import { el, named } from "./dom.js";
import { about, said } from "./metrics.js";
import { CIVIDIS, bin, number, percent } from "./palette.js";
import { say } from "./say.js";
import { focusOf } from "./store.js";

export function makeCard(store) {
  const card = el("section", { className: "dv-panel dv-card", "aria-label": say("card.label") });
  store.on((state, changed) => {
    if (!state.run || !["run", "step", "pos", "hover", "grown"].some((key) => changed.has(key))) return;
    const { pos, step } = focusOf(state);
    if (pos === null) card.replaceChildren(el("p", { className: "dv-quiet" }, say("card.hint")));
    else card.replaceChildren(...describe(state.run, pos, step));
    card.dataset.pos = pos;
    card.dataset.step = step;
  });
  return card;
}

function describe(run, pos, step) {
  const thought = run.open(pos) ? run.thought(step, pos) : null;
  const token = run.states[step][pos];
  const masked = token === run.maskId;
  const change = run.since[step][pos];
  const written = masked ? null : token;
  const title = el("h3", {}, say("card.position", { pos }), el("small", {}, place(run, pos)));
  const parts = [title, verdict(run, pos, step, masked, change, written), cause(run, pos, step)];
  const now = run.noted(step, pos).map(([name, value]) => [about(name).label, said(name, value)]);
  const later = thought?.step !== step; // numbers of a token that stood already
  if (thought) {
    parts.push(el("p", { className: "dv-quiet" }, when(thought.step, step, masked)));
    parts.push(candidates(run, thought, written ?? undefined), facts([...thoughts(thought), ...(later ? [] : now)]));
  }
  if (later && now.length) parts.push(el("p", { className: "dv-quiet" }, say("card.looked", { step })), facts(now));
  if (thought) parts.push(history(run, pos, step));
  return parts.filter(Boolean);
}

function place(run, pos) {
  if (pos < run.promptLength) return say("card.in_prompt");
  const blocks = Math.ceil((run.length - run.promptLength) / run.spec.block_length), n = pos - run.promptLength + 1;
  return blocks > 1 ? say("card.answer.block", { n, block: run.blockIndex(pos) + 1 }) : say("card.answer", { n });
}

function verdict(run, pos, step, masked, change, written) {
  if (!run.open(pos)) return el("p", { className: "dv-verdict" }, `${say(pos < run.promptLength ? "card.prompt" : "card.given")}: `, piece(run, written));
  if (masked) return el("p", { className: "dv-verdict" }, change ? say("card.back", { step: change }) : say("card.masked"));
  const sure = run.sureness[step][pos];
  return el("p", { className: "dv-verdict" }, piece(run, written), ` ${say("card.written", { step: change })}`, sure >= 0 ? `, ${say("card.sure", { share: percent(sure) })}` : "");
}

function cause(run, pos, step) {
  const why = run.why(step, pos);
  return why && el("p", { className: "dv-quiet dv-why", dir: "auto" }, say("card.why", why));
}

const piece = (run, token) => el("b", { className: "dv-piece", dir: "auto" }, named(run.piece(token)));

function when(asked, step, masked) {
  if (step === 0) return say("card.start");
  if (masked || asked === step) return say("card.now", { step: asked });
  return say("card.last", { step: asked });
}

function candidates(run, thought, written) {
  const rows = thought.top.map(({ id, probability }) => {
    const row = el("li", { className: id === written ? "dv-taken" : "", "data-id": id, "data-p": probability },
      el("span", { className: "dv-candidate", dir: "auto" }, named(run.piece(id))),
      el("span", { className: "dv-track" }, el("i", { style: `width:${100 * probability}%;background:${CIVIDIS[bin(probability)]}` })),
      el("span", { className: "dv-share" }, percent(probability)));
    if (id === written) row.title = say("card.taken");
    return row;
  });
  return el("ol", { className: "dv-top" }, ...rows);
}

function thoughts({ confidence, entropy, score }) {
  const pairs = [[say("confidence"), percent(confidence)], [say("entropy"), say("nats", { x: number(entropy, 3) })]];
  return score === null ? pairs : [...pairs, [say("ranked"), number(score, 3)]];
}

function facts(pairs) {
  return el("dl", { className: "dv-facts" }, ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** Confidence over the steps at which this position was still open, as a small line. */
function history(run, pos, step) {
  const points = [];
  for (let s = 1; s <= run.steps; s++) {
    const value = run.value("confidence", s, pos);
    if (value !== undefined && Number.isFinite(value)) points.push([s, value]);
  }
  if (points.length < 2) return null;
  const x = (s) => (100 * (s - 0.5)) / run.steps, y = (v) => 28 - 26 * v;
  const line = points.map(([s, v], i) => `${i ? "L" : "M"}${x(s).toFixed(2)} ${y(v).toFixed(2)}`).join("");
  const box = document.createElement("div");
  box.className = "dv-history";
  box.append(el("span", {}, say("card.history")), spark(line, step ? x(step) : 0));
  return box;
}

function spark(line, cursor) {
  const make = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const svg = make("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(
    make("path", { d: "M0 28H100M0 2H100", class: "dv-rule" }),
    make("path", { d: `M${cursor} 0V30`, class: "dv-cursor" }),
    make("path", { d: line, class: "dv-line" }));
  return svg;
}
