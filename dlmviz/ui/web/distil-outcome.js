// What became of a distillation: base against student, what that gains, and the adapter.

import { short } from "./chart.js";
import { el } from "./dom.js";
import { number } from "./palette.js";
import { around, decimal, locale, say, translated } from "./say.js";
import { showTab } from "./tabs.js";

const MARKS = { faster: "▲", slower: "▼", same: "=", better: "●", none: "–" };

/** Elements that say what is known; `held`: [first, last] held-out KL of the curve. */
export function makeOutcome(outcome, held) {
  if (outcome.problem) return [el("p", { className: "di-problem" }, translated(outcome.problem))];
  return [el("h4", {}, say("distil.outcome")), fell(held, outcome.kl), table(outcome.scores), gains(outcome.gains), card(outcome)].filter(Boolean);
}

function fell([first, last], kl) {
  const end = Number.isFinite(last) ? last : kl;
  if (!Number.isFinite(first) || !Number.isFinite(end)) return null;
  const values = { first: short(first), last: short(end), by: signed(100 * (end / first - 1), 0) };
  return el("p", {}, say(first > 0 ? "distil.fell.by" : "distil.fell", values));
}

/** A number with its sign; a minus as wide as a plus. */
const signed = (x, digits) => { const size = number(Math.abs(x), digits); return `${size === "0" ? "" : x < 0 ? "−" : "+"}${size}`; };

const COLUMNS = [["accuracy", 100, 1], ["nfe", 1, 2], ["tpf", 1, 2]]; // times what, with so many decimals

function table(scores) {
  if (!scores.length) return el("p", {}, say("distil.uncompared"));
  const head = (text, more = {}) => el("th", { scope: "col", ...more }, text);
  const cells = ({ base, student }) => COLUMNS.flatMap(([key, scale, digits]) => [base && number(scale * base[key], digits), student && number(scale * student[key], digits),
    base && student && signed(scale * (student[key] - base[key]), digits)].map((text, i) => el("td", { className: i === 2 ? "di-difference" : "" }, text ?? "–")));
  const rows = scores.map((row) => el("tr", {}, el("th", { scope: "row" }, row.task), el("td", {}, number(row.threshold)), el("td", {}, number((row.student ?? row.base).n, 0)), ...cells(row)));
  return el("div", { className: "di-scroll", tabIndex: 0, role: "region", "aria-label": say("distil.table") }, el("table", { className: "di-table" },
    el("caption", {}, say("distil.table.caption")),
    el("thead", {}, el("tr", {}, ...[say("distil.table.task"), say("distil.table.threshold"), "n"].map((text) => head(text, { rowSpan: 2 })), ...COLUMNS.map(([key]) => el("th", { scope: "colgroup", colSpan: 3 }, say(`distil.table.${key}`)))),
      el("tr", {}, ...COLUMNS.flatMap(() => ["base", "student", "difference"].map((key) => head(say(`distil.table.${key}`)))))),
    el("tbody", {}, ...rows)));
}

function gains(list) {
  if (!list.length) return null;
  const items = list.map((gain) => {
    const where = say("distil.gain.where", { task: gain.task, threshold: number(gain.threshold) });
    return el("li", { "data-verdict": gain.verdict }, el("b", {}, `${MARKS[gain.verdict]} ${say(`distil.verdict.${gain.verdict}`)} `), `${where}: ${said(gain)}.`);
  });
  return el("div", {}, el("h4", {}, say("distil.gains")), el("ul", { className: "di-gains" }, ...items), el("p", { className: "di-quiet" }, say("distil.gains.caution")));
}

/** A gain in a sentence, with its interval, and no more than that shows. */
function said({ verdict, way, n, ...numbers }) {
  if (!way) return say(`distil.gain.${verdict}`, { n });
  const fixed = (digits, ...names) => Object.fromEntries(names.map((name) => [name, decimal(numbers[name].toFixed(digits))]));
  const right = say("distil.gain.right", { ...fixed(1, "right", "base"), at: number(numbers.at) });
  return `${right} ${say(`distil.gain.${way}`, fixed(2, "ratio"))}; ${say("distil.gain.interval", { n, ...fixed(2, "low", "high") })}: ${say(`distil.gain.${verdict}`)}`;
}

function card({ adapter, folder, sample }) {
  if (!adapter) return el("p", {}, folder ? say("distil.whole", { folder }) : say("distil.lost"));
  const facts = [["base", adapter.base_model], ["kept", new Date(adapter.created * 1000).toLocaleString(locale)], ["kl", say("distil.nats", { n: short(adapter.final_kl) })], ["id", adapter.id], ["folder", folder]];
  const tries = ["compare", "inspect"].map((name, i) => el("button", { type: "button", className: `di-button di-try ${i ? "" : "di-strong"}`, "data-try": name,
    onclick: () => tryOut(name, { adapter: adapter.id, model: adapter.base_model, ...sample }) }, say(`distil.try.${name}`)));
  return el("section", { className: "di-card", "aria-label": say("form.adapter.kept") }, el("h4", {}, ...around("distil.adapter", () => el("bdi", {}, adapter.title))),
    el("dl", { className: "di-facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, say(`distil.adapter.${name}`)), el("dd", { dir: "auto" }, value)))),
    el("div", { className: "di-row" }, ...tries));
}

/** Shows a page with an adapter, its model and a prompt that it did not learn from: in Compare it is
 * beside its base. */
export function tryOut(name, detail) {
  showTab(name);
  window.dispatchEvent(new CustomEvent(name === "compare" ? "dlmviz:compare" : "dlmviz:try", { detail }));
  window.scrollTo({ top: 0 });
}
