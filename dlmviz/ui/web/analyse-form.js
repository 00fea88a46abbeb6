// The form of a study: which one, what it asks, and its settings. What was typed is kept as text, for
// each study, until the page ends.

import { makeRuns } from "./analyse-runs.js";
import { el } from "./dom.js";
import { say, translated } from "./say.js";

export function makeForm(page) {
  const node = el("form", { className: "di-panel di-form", "aria-label": say("analyse.new"), noValidate: true, onsubmit: (event) => { event.preventDefault(); begin(view); } }, el("p", { className: "di-quiet" }, say("page.loading")));
  const view = { page, node, asked: false, study: null, drafts: new Map() };
  return { node, fill: () => fill(view) };
}

async function fill(view) {
  if (view.asked) return;
  view.asked = true;
  const told = await view.page.ask("form");
  if (told.problem) { view.asked = false; return view.page.say(told.problem); }
  view.studies = new Map(told.studies.map((study) => [study.name, study]));
  const menu = el("select", { id: "an-study", onchange: () => turn(view, menu.value) }, ...told.studies.map((study) => el("option", { value: study.name }, translated(study.title))));
  view.about = el("div", { className: "an-about" });
  view.place = el("div", { className: "an-fields" });
  view.settings = el("fieldset", {}, el("legend", {}, say("analyse.settings")), view.place);
  view.runs = makeRuns((existing) => { view.settings.hidden = existing; refuse(view, ""); });
  view.runs.listen(view.node);
  view.problem = el("p", { className: "di-problem", role: "alert", hidden: true });
  view.go = el("button", { type: "submit", className: "di-button di-strong di-start" }, say("distil.start"));
  view.node.replaceChildren(el("h3", {}, say("analyse.new")),
    el("div", { className: "di-field" }, el("label", { htmlFor: "an-study" }, say("analyse.study")), menu), view.about,
    view.runs.node, view.settings,
    el("div", { className: "di-go" }, view.problem, el("div", { className: "di-row" }, view.go)));
  turn(view, told.studies[0].name);
}

/** Shows another study, with what was typed for it before. */
function turn(view, name) {
  if (view.study) view.drafts.set(view.study, values(view));
  view.study = name;
  const study = view.studies.get(name), draft = view.drafts.get(name) ?? {};
  view.about.replaceChildren(el("p", {}, translated(study.question)), el("p", { className: "di-quiet" }, el("b", {}, say("analyse.claim")), ` ${translated(study.claim)}`));
  view.place.replaceChildren(...study.fields.map((field) => control(field, draft[field.name] ?? field.value)));
  refuse(view, "");
}

function control(field, value) {
  const id = `an-${field.name}`, help = el("small", { id: `${id}-help` }, translated(field.help ?? ""));
  const common = { id, name: field.name, "aria-describedby": `${id}-help` };
  if (typeof field.value === "boolean")
    return el("label", { className: "di-choice" }, el("input", { ...common, type: "checkbox", checked: value }), el("span", {}, field.name, " ", help));
  const input = field.choices.length
    ? el("select", common, ...field.choices.map((choice) => el("option", { value: choice, selected: choice === value }, choice)))
    : field.number || String(field.value).length < 30
      ? el("input", { ...common, type: "text", value, inputMode: field.number ? "decimal" : "text" })
      : el("textarea", { ...common, rows: 3, value, spellcheck: false });
  return el("div", { className: "di-field" }, el("label", { htmlFor: id }, el("code", {}, field.name)), input, help);
}

const values = (view) => Object.fromEntries(Array.from(view.place.querySelectorAll("[name]"), (input) => [input.name, input.type === "checkbox" ? input.checked : input.value]));

function refuse(view, text) {
  view.problem.textContent = text;
  view.problem.hidden = !text;
}

async function begin(view) {
  refuse(view, "");
  view.go.disabled = true;
  const told = await view.page.ask("start", { method: "POST", body: JSON.stringify({ study: view.study, values: values(view), ...view.runs.given() }) });
  view.go.disabled = false;
  if (told.problem) return refuse(view, told.problem);
  view.page.choose(told.id);
}
