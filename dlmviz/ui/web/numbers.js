// The numbers of a run, each with its definition, and the answer as text.

import { el } from "./dom.js";
import { number } from "./palette.js";
import { say } from "./say.js";

const NUMBERS = [
  ["nfe", "NFE", say("numbers.nfe"), 0],
  ["steps", say("numbers.steps"), say("numbers.steps.means"), 0],
  ["tpf", "TPF", say("numbers.tpf"), 2],
  ["afp", "AFP", say("numbers.afp"), 2],
  ["kendall_tau_b", "τ-b", say("numbers.kendall_tau_b"), 2],
  ["seconds", say("numbers.seconds"), say("numbers.seconds.means"), 2],
];
const HINT = say("numbers.hint");

export function makeNumbers(store) {
  const meaning = el("p", { className: "dv-quiet dv-meaning", id: "dv-meaning" }, HINT);
  const tiles = NUMBERS.map(([key, label, text]) => {
    const value = el("b", {}, "–");
    const show = () => { meaning.textContent = text; };
    const hide = () => { meaning.textContent = HINT; };
    const tile = el("button", { type: "button", className: "dv-number", "data-key": key, "aria-describedby": "dv-meaning", title: text,
      onpointerenter: show, onpointerleave: hide, onfocus: show, onblur: hide }, value, el("span", {}, label));
    return { tile, value };
  });
  const bar = el("section", { className: "dv-numbers", "aria-label": say("numbers.label") },
    el("div", { className: "dv-tiles" }, ...tiles.map(({ tile }) => tile)), meaning);
  store.on(({ run }, changed) => {
    if (!run || !["run", "grown", "finished"].some((key) => changed.has(key))) return;
    const known = run.numbers ?? sofar(run);
    NUMBERS.forEach(([key, , , digits], i) => { tiles[i].value.textContent = number(known[key], digits); });
  });
  return bar;
}

/** What can be said before the end: counts and time. */
function sofar(run) {
  const sum = (key) => run.records.reduce((total, record) => total + record[key], 0);
  return { nfe: sum("nfe"), steps: run.steps, seconds: sum("seconds") };
}

export function makeAnswer(store) {
  const text = el("p", { className: "dv-text", dir: "auto" });
  const badge = el("span", { className: "dv-badge", hidden: true });
  const state = el("span", { className: "dv-quiet" });
  const right = el("p", { className: "dv-text dv-pending", dir: "auto" });
  const expected = el("details", { className: "dv-twin", hidden: true }, el("summary", {}, say("answer.right")), right);
  const box = el("section", { className: "dv-answer", "aria-label": say("answer") },
    el("header", {}, el("h3", {}, say("answer")), badge, state), text, expected);
  store.on(({ run, live }, changed) => {
    if (!run || !["run", "grown", "finished", "live"].some((key) => changed.has(key))) return;
    const done = run.text !== null;
    const example = done ? run.info.example : null;
    text.textContent = done ? run.text : partial(run);
    text.classList.toggle("dv-pending", !done);
    state.textContent = live ? say("answer.live") : "";
    badge.hidden = typeof example?.correct !== "boolean";
    badge.textContent = say(example?.correct ? "answer.correct" : "answer.wrong");
    badge.dataset.correct = Boolean(example?.correct);
    expected.hidden = badge.hidden || example.correct;
    right.textContent = example?.answer ?? "";
  });
  return box;
}

/** The text so far, with a block for every run of masks. */
function partial(run) {
  const tokens = Array.from(run.states.at(-1).slice(run.promptLength));
  const end = tokens.indexOf(run.eosId);
  return (end < 0 ? tokens : tokens.slice(0, end))
    .map((token) => (token === run.maskId ? "░" : run.piece(token) ?? "")).join("").replace(/░{3,}/g, "░░ ");
}
