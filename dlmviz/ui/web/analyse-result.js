// What a study found: the sentence, its figures by our own Plotly, and every table with its CSV. A
// dot that stands for a run opens it in Inspect.

import { el } from "./dom.js";
import { plotly } from "./plotly.js";
import { decimal, language, many, say, translated } from "./say.js";
import { showTab } from "./tabs.js";

const RUN = /^[0-9a-f]{16}$/;
const NUMBER = /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i;
const UNDONE = 40; // problems that are listed

const dark = () => document.body.classList.contains("dark");

export function makeResult(page) {
  const head = el("h3", { tabIndex: -1 }), body = el("div", { className: "an-body" });
  const node = el("section", { className: "di-panel an-chosen", hidden: true, "aria-label": say("analyse.result") }, head, body);
  const view = { page, node, head, body, shown: "", drawn: [] };
  new MutationObserver(() => relook(view)).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  return {
    node,
    clear: () => { node.hidden = true; view.shown = ""; view.drawn = []; body.replaceChildren(); },
    attend: (focus) => { if (focus) head.focus(); },
    show: (job, chosen) => show(view, job, chosen),
  };
}

function show(view, job, chosen) {
  view.node.hidden = false;
  view.node.dataset.state = job.state;
  view.head.textContent = job.title;
  const key = `${job.id} ${job.state} ${job.ended}`;
  if (view.shown === key) return;
  view.shown = key;
  view.drawn = [];
  const settings = el("dl", { className: "di-facts" }, ...Object.entries(chosen.values).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { dir: "auto" }, value || "–"))));
  const { report, problem } = chosen;
  if (!report) {
    const text = problem ? translated(problem) : job.problem ? translated(job.problem) : say("analyse.wait");
    view.body.replaceChildren(el("p", { className: problem || job.problem ? "di-problem" : "di-quiet" }, text), settings);
    return;
  }
  view.body.replaceChildren(el("p", { className: "an-verdict", lang: "en" }, report.verdict), el("p", { className: "di-quiet" }, el("b", {}, say("analyse.claim")), ` ${translated(report.claim)}`), ...recorded(),
    ...missing(report.problems), el("div", { className: "an-figures" }, ...report.figures.map((figure) => stage(view, job.id, figure))),
    ...report.tables.map((table) => twin(view, job.id, table)), el("details", {}, el("summary", {}, say("analyse.settings")), settings));
}

/** What was found stays as it was recorded: in files that others read, too. */
const recorded = () => (language === "en" ? [] : [el("p", { className: "di-quiet" }, say("analyse.recorded"))]);

/** "unit: sentence", the sentence in the language of the page where it has it. */
function told(problem) {
  const [, unit, text] = /^([^]*?): ([^]*)$/.exec(problem) ?? ["", "", problem];
  return unit ? `${unit}: ${translated(text)}` : translated(text);
}

/** Runs that were not measured, each with its sentence. */
function missing(problems) {
  if (!problems.length) return [];
  const items = problems.slice(0, UNDONE).map((problem) => el("li", { dir: "auto" }, told(problem)));
  return [el("details", { className: "an-missing" }, el("summary", {}, many("analyse.missing", problems.length)), el("ul", {}, ...items))];
}

const address = (view, id, file) => `${view.page.root}${encodeURIComponent(id)}/${encodeURIComponent(file)}`;

function stage(view, id, { title, file }) {
  const place = el("div", { className: "an-plot" }), note = el("p", { className: "di-quiet", role: "status" }, say("analyse.drawing"));
  const box = el("figure", { className: "an-figure", lang: "en", "aria-label": title }, note, place);
  draw(view, place, address(view, id, file)).then(() => note.remove(), (error) => { note.textContent = say("analyse.undrawn", { problem: translated(error.message) }); });
  return box;
}

async function draw(view, place, from) {
  const answer = await fetch(from), made = await answer.json();
  if (made.problem) throw new Error(made.problem);
  const PL = await plotly(made.version);
  if (!place.isConnected) return; // another study was chosen meanwhile
  place.style.height = `${made.layout.height}px`;
  await PL.newPlot(place, made.data, { ...made.layout, template: made.templates[dark() ? "dark" : "light"] }, { ...made.config, displayModeBar: false });
  view.drawn.push({ PL, place, templates: made.templates });
  place.on("plotly_click", ({ points: [point] }) => {
    const named = [point?.customdata].flat()[0];
    if (!RUN.test(named ?? "")) return;
    showTab("inspect");
    window.dispatchEvent(new CustomEvent("dlmviz:open", { detail: { id: named } }));
    window.scrollTo({ top: 0 });
  });
}

/** Turns the figures light or dark with the page. */
function relook(view) {
  const look = dark() ? "dark" : "light";
  if (view.look === look) return;
  view.look = look;
  for (const { PL, place, templates } of view.drawn) if (place.isConnected) PL.relayout(place, { template: templates[look] });
}

function twin(view, id, { title, file, columns, rows, count }) {
  const place = el("div", { className: "an-table", tabIndex: 0, role: "region", "aria-label": title });
  const csv = el("a", { className: "di-button", href: address(view, id, file), download: "" }, "CSV");
  const box = el("details", { className: "an-twin" }, el("summary", {}, el("span", { lang: "en" }, title), ` (${many("analyse.rows", count)})`), el("p", { className: "di-row" }, csv, count > rows.length ? el("small", {}, say("analyse.first", { n: rows.length })) : null), place);
  const fill = () => {
    if (place.childElementCount) return;
    const line = (row) => el("tr", {}, ...row.map((value) => el("td", { dir: "auto" }, cell(value))));
    place.append(el("table", {}, el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows.map(line))));
  };
  box.addEventListener("toggle", () => { if (box.open) fill(); });
  return box;
}

/** Three digits of a number with many; what has no number is "undefined". */
function cell(text) {
  if (text === "") return say("analyse.undefined");
  if (!NUMBER.test(text) || text.length < 7) return NUMBER.test(text) ? decimal(text) : text;
  return decimal(String(Number(Number(text).toPrecision(4))));
}
