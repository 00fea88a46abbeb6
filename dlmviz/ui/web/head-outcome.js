// What became of the training of a head: its score on states it has not seen, and how to try it.

import { short } from "./chart.js";
import { el } from "./dom.js";
import { tryOut } from "./distil-outcome.js";
import { number } from "./palette.js";
import { either, has, say, translated } from "./say.js";

/** Elements that say how it did and where it lies. */
export function makeHead(kind, outcome) {
  if (outcome.problem) return [el("p", { className: "di-problem" }, translated(outcome.problem))];
  const found = [el("h4", {}, say("distil.outcome")), verdict(kind, outcome.score), table(kind, outcome.score), card(kind, outcome)];
  return found.filter(Boolean);
}

/** Against the best constant, where both are known: how many times closer to what was measured. */
function verdict(kind, { mae, constant_mae: constant }) {
  if (!has(`${kind}.better`) || !(mae > 0) || !(constant > 0)) return null;
  const better = mae < constant, ratio = number(better ? constant / mae : mae / constant, 2);
  return el("p", { "data-verdict": better ? "better" : "worse" }, el("b", {}, `${better ? "▲" : "▼"} `), say(`${kind}.${better ? "better" : "worse"}`, { ratio, mae: short(mae), constant: short(constant) }));
}

function table(kind, score) {
  const rows = Object.entries(score).map(([name, value]) => el("tr", { "data-score": name }, el("th", { scope: "row" }, either([`${kind}.score.${name}`], name)),
    el("td", {}, value === null ? "–" : short(value)), el("td", { className: "di-means" }, either([`${kind}.score.${name}.means`], ""))));
  if (!rows.length) return null;
  return el("div", { className: "di-scroll", tabIndex: 0, role: "region", "aria-label": say("train.score") }, el("table", { className: "di-table di-score" },
    el("caption", {}, say("train.score")), el("tbody", {}, ...rows)));
}

function card(kind, { head, model, task, states, parameters }) {
  if (!head) return el("p", {}, say("train.lost"));
  const facts = [["model", model], ["states", states], ["parameters", parameters], ["folder", head]].filter(([, value]) => value !== undefined && value !== "");
  const command = `dlmviz decode --model ${shell(model)} --sampler ${kind} --param head=${shell(head)} --prompt …`;
  return el("section", { className: "di-card", "aria-label": say("train.head") }, el("h4", {}, say("train.head")),
    el("dl", { className: "di-facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, say(`train.head.${name}`)), el("dd", { dir: "auto" }, typeof value === "number" ? short(value) : value)))),
    el("code", { className: "di-command" }, command),
    el("div", { className: "di-row" }, el("button", { type: "button", className: "di-button di-strong di-try", "data-try": "inspect",
      onclick: () => tryOut("inspect", { head: identity(head), sampler: kind, model, task }) }, say("distil.try.inspect"))));
}

const identity = (folder) => folder.split(/[\\/]/).at(-1);

const shell = (text) => (/^[\w@%+=:,./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
