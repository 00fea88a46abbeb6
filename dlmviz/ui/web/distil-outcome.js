// What became of a distillation: base against student, what that gains, and the adapter.

import { short } from "./chart.js";
import { el } from "./dom.js";
import { number } from "./palette.js";
import { showTab, tabs } from "./tabs.js";

const VERDICTS = { faster: "▲ faster", slower: "▼ slower", same: "= no difference", better: "● more often right", none: "– nothing to compare" };

/** Elements that say what is known; `held`: [first, last] held-out KL of the curve. */
export function makeOutcome(outcome, held) {
  if (outcome.problem) return [el("p", { className: "di-problem" }, outcome.problem)];
  return [el("h4", {}, "What became of it"), fell(held, outcome.kl), table(outcome.scores), gains(outcome.gains), card(outcome)].filter(Boolean);
}

function fell([first, last], kl) {
  const end = Number.isFinite(last) ? last : kl;
  if (!Number.isFinite(first) || !Number.isFinite(end)) return null;
  const by = first > 0 ? ` (${signed(100 * (end / first - 1), 0)} %)` : "";
  return el("p", {}, "On prompts that it never saw, the student's KL to its target went from ", el("b", {}, short(first)), " to ", el("b", {}, short(end)), ` nats${by}.`);
}

/** A number with its sign; a minus as wide as a plus. */
const signed = (x, digits) => { const size = number(Math.abs(x), digits); return `${size === "0" ? "" : x < 0 ? "−" : "+"}${size}`; };

const COLUMNS = [["accuracy", "right [%]", 100, 1], ["nfe", "forwards (NFE)", 1, 2], ["tpf", "tokens a forward (TPF)", 1, 2]];

function table(scores) {
  if (!scores.length) return el("p", {}, "Base and student were not compared: no prompt of this job can be graded by a program, or none was asked for.");
  const head = (text, more = {}) => el("th", { scope: "col", ...more }, text);
  const cells = ({ base, student }) => COLUMNS.flatMap(([key, , scale, digits]) => [base && number(scale * base[key], digits), student && number(scale * student[key], digits),
    base && student && signed(scale * (student[key] - base[key]), digits)].map((text, i) => el("td", { className: i === 2 ? "di-difference" : "" }, text ?? "–")));
  const rows = scores.map((row) => el("tr", {}, el("th", { scope: "row" }, row.task), el("td", {}, number(row.threshold)), el("td", {}, number((row.student ?? row.base).n, 0)), ...cells(row)));
  return el("div", { className: "di-scroll", tabIndex: 0, role: "region", "aria-label": "Base against student" }, el("table", { className: "di-table" },
    el("caption", {}, "Base against student on the same held-out prompts; means of n runs"),
    el("thead", {}, el("tr", {}, ...["task", "threshold", "n"].map((text) => head(text, { rowSpan: 2 })), ...COLUMNS.map(([, label]) => el("th", { scope: "colgroup", colSpan: 3 }, label))),
      el("tr", {}, ...COLUMNS.flatMap(() => ["base", "student", "difference"].map((text) => head(text))))),
    el("tbody", {}, ...rows)));
}

function gains(list) {
  if (!list.length) return null;
  const items = list.map(({ task, threshold, text, verdict }) => el("li", { "data-verdict": verdict }, el("b", {}, VERDICTS[verdict] ?? ""), ` ${task}, threshold ${number(threshold)}: ${text}.`));
  return el("div", {}, el("h4", {}, "What it gains"), el("ul", { className: "di-gains" }, ...items),
    el("p", { className: "di-quiet" }, "Each row stands for itself: the best of many looks better than it is. For a claim, choose a row first and compare on new prompts."));
}

function card({ adapter, folder, sample }) {
  if (!adapter) return el("p", {}, folder ? `All weights were trained: there is no adapter. The model lies in ${folder}.` : "The adapter is no longer in the store.");
  const facts = [["made from", adapter.base_model], ["kept", new Date(adapter.created * 1000).toLocaleString()], ["held-out KL", `${short(adapter.final_kl)} nats`], ["id", adapter.id], ["folder", folder]];
  const press = () => tryOut({ adapter: adapter.id, model: adapter.base_model, ...sample });
  return el("section", { className: "di-card", "aria-label": "Adapter" }, el("h4", {}, "Adapter: ", el("bdi", {}, adapter.title)),
    el("dl", { className: "di-facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { dir: "auto" }, value)))),
    el("button", { type: "button", className: "di-button di-strong di-try", onclick: press }, target() === "compare" ? "Open in Compare" : "Try it in Inspect"));
}

/** Where an adapter is tried: beside its base where there is a tab for that. */
const target = () => (tabs.includes("compare") ? "compare" : "inspect");

/** Shows the target with an adapter, its model and a prompt that it did not learn from. */
function tryOut(detail) {
  const name = target();
  if (name !== "inspect") {
    const url = new URL("", document.baseURI);
    for (const [key, value] of Object.entries({ tab: name, ...detail })) url.searchParams.set(key, value);
    history.pushState(history.state, "", url);
  }
  showTab(name);
  window.dispatchEvent(new CustomEvent("dlmviz:try", { detail }));
  window.scrollTo({ top: 0 });
}
