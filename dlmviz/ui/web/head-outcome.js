// What became of the training of a head: its score on states it has not seen, and how to try it.

import { short } from "./chart.js";
import { el } from "./dom.js";
import { tryOut } from "./distil-outcome.js";
import { number } from "./palette.js";
import { either, has, locale, say, translated } from "./say.js";

/** Elements that say how it did and where it lies. */
export function makeHead(kind, outcome) {
  if (outcome.problem) return [el("p", { className: "di-problem" }, translated(outcome.problem))];
  const found = [el("h4", {}, say("distil.outcome")), verdict(kind, outcome.score), table(kind, outcome.score), broken(outcome.broken), card(kind, outcome)];
  return found.filter(Boolean);
}

const AGAINST = { demask: ["mae", "constant_mae"], codila: ["nll", "apart"] }; // what it reached, and what one has without it: less is better

/** How many times less than without it, where both are known. */
function verdict(kind, score) {
  const [own, other] = (AGAINST[kind] ?? []).map((name) => score[name]);
  if (!has(`${kind}.better`) || !(own > 0) || !(other > 0)) return null;
  const way = own < other ? "better" : "worse", ratio = number(own < other ? other / own : own / other, 2);
  return el("p", { "data-verdict": way }, el("b", {}, `${way === "better" ? "▲" : "▼"} `), say(`${kind}.${way}`, { ratio, own: short(own), other: short(other) }));
}

/** Of pairs that belong together, how many were broken when several tokens were written at a step. */
function broken(found) {
  if (!found?.ways.length) return null;
  const head = ["way", "broken", "nfe"].map((name) => el("th", { scope: "col" }, say(`train.broken.${name}`)));
  const rows = found.ways.map((row) => el("tr", { "data-way": row.way }, el("th", { scope: "row" }, either([`train.way.${row.way}`], row.way)), el("td", {}, number(100 * row.broken, 1)), el("td", {}, number(row.nfe, 2))));
  const title = say("train.broken.title", { n: short(found.prompts), piece: found.piece });
  return el("div", { className: "di-scroll", tabIndex: 0, role: "region", "aria-label": title }, el("table", { className: "di-table di-broken" }, el("caption", {}, title), el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)));
}

function table(kind, score) {
  const rows = Object.entries(score).map(([name, value]) => el("tr", { "data-score": name }, el("th", { scope: "row" }, either([`${kind}.score.${name}`], name)),
    el("td", {}, value === null ? "–" : short(value)), el("td", { className: "di-means" }, either([`${kind}.score.${name}.means`], ""))));
  if (!rows.length) return null;
  return el("div", { className: "di-scroll", tabIndex: 0, role: "region", "aria-label": say("train.score") }, el("table", { className: "di-table di-score" },
    el("caption", {}, say("train.score")), el("tbody", {}, ...rows)));
}

function card(kind, { head, model, task, states, texts, parameters }) {
  if (!head) return el("p", {}, say("train.lost"));
  const facts = [["model", model], ["states", states], ["texts", texts], ["parameters", parameters], ["folder", head]].filter(([, value]) => value !== undefined && value !== "");
  const command = `dlmviz decode --model ${shell(model)} --sampler ${kind} --param head=${shell(head)} --prompt …`;
  const attempt = (name, which) => el("button", { type: "button", className: `di-button di-try ${name === "compare" ? "di-strong" : ""}`, "data-try": name,
    onclick: () => tryOut(name, { ...which, sampler: kind, model, task }) }, say(`distil.try.${name}`));
  return el("section", { className: "di-card", "aria-label": say("train.head") }, el("h4", {}, say("train.head")),
    el("dl", { className: "di-facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, say(`train.head.${name}`)), el("dd", { dir: "auto" }, typeof value === "number" ? value.toLocaleString(locale) : value)))),
    el("code", { className: "di-command" }, command),
    el("div", { className: "di-row" }, attempt("compare", { head }), attempt("inspect", { head: identity(head) })));
}

const identity = (folder) => folder.split(/[\\/]/).at(-1);

const shell = (text) => (/^[\w@%+=:,./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
