// The job that is chosen: how far it is, its curves, what became of it, its settings and its log.

import { makeCurves } from "./curves.js";
import { el } from "./dom.js";
import { wordOf } from "./distil-form.js";
import { far, stateOf, word } from "./distil-list.js";
import { makeOutcome } from "./distil-outcome.js";
import { makeHead } from "./head-outcome.js";
import { say, translated } from "./say.js";

export function makeJob(page, form) {
  const title = el("h3", { tabIndex: -1 }), state = el("p", { className: "di-now" });
  const stages = el("ol", { className: "di-stages", "aria-label": say("distil.stages") });
  const problem = el("p", { className: "di-problem", hidden: true, dir: "auto" });
  const curves = makeCurves(), outcome = el("div", { className: "di-outcome" });
  const log = el("pre", { className: "di-log", tabIndex: 0, role: "region", "aria-label": say("distil.log.label") });
  const logs = el("details", { className: "di-more" }, el("summary", {}, say("distil.log")), log);
  const values = el("dl", { className: "di-facts di-values" });
  const again = el("button", { type: "button", className: "di-button", onclick: () => form.take(view.kind, view.values) }, say("distil.again"));
  const settings = el("details", { className: "di-more" }, el("summary", {}, say("distil.settings")), values, again);
  const node = el("section", { className: "di-panel di-chosen", "aria-label": say("distil.chosen"), hidden: true },
    el("header", {}, title, state), stages, problem, outcome, curves.node, logs, settings);
  const view = { id: null, told: "", values: {}, failed: false };
  const parts = { title, state, stages, problem, curves, outcome, log, logs, values };
  return {
    node,
    clear: () => { view.id = null; node.hidden = true; curves.clear(); outcome.replaceChildren(); view.told = ""; },
    attend: (focus) => { view.focus = focus; },
    show: (job, chosen) => show(view, node, parts, job, chosen),
  };
}

function show(view, node, parts, job, chosen) {
  const fresh = view.id !== job.id;
  view.id = job.id;
  Object.assign(view, { kind: job.kind, values: chosen.values });
  node.hidden = false;
  set(parts.title, job.title);
  set(parts.state, [stateOf(job), far(job), job.problem ? "" : translated(job.note)].filter(Boolean).join(" · "));
  node.dataset.state = job.state;
  stage(parts.stages, job, chosen.stages);
  set(parts.problem, job.state === "failed" ? translated(job.problem) : "");
  parts.problem.hidden = !parts.problem.textContent;
  if (fresh || (job.state === "failed") !== view.failed) parts.logs.open = job.state === "failed";
  view.failed = job.state === "failed";
  follow(parts.log, chosen.log || say("distil.log.none"));
  if (fresh) parts.values.replaceChildren(...facts(job.kind, chosen.values));
  parts.curves.add(chosen.rows, { anew: fresh || chosen.anew, steps: chosen.steps, names: chosen.charts });
  const told = JSON.stringify(chosen.outcome);
  if (told !== view.told) {
    view.told = told;
    parts.outcome.replaceChildren(...outcomeOf(job.kind, chosen.outcome, parts.curves));
  }
  if (!view.focus) return;
  view.focus = false;
  parts.title.focus({ preventScroll: true });
  const { top } = node.getBoundingClientRect();
  if (top < 0 || top > innerHeight * 0.6) node.scrollIntoView({ block: "start" });
}

/** What became of it: an adapter, or a head. */
function outcomeOf(kind, outcome, curves) {
  if (!outcome) return [];
  return kind === "distil" ? makeOutcome(outcome, curves.held()) : makeHead(kind, outcome);
}

const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

/** Marks the stages that are over, and the one at which the job is. */
function stage(list, job, stages) {
  const at = job.state === "done" ? stages.length : stages.indexOf(job.stage);
  if (list.dataset.names !== stages.join("|")) {
    list.dataset.names = stages.join("|");
    list.replaceChildren(...stages.map((name) => el("li", { "data-stage": name }, word("stage", name))));
  }
  [...list.children].forEach((item, i) => {
    item.dataset.over = String(i < at);
    if (i === at) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
}

/** New lines of the log; its end stays in sight, unless somebody reads further up. */
function follow(log, text) {
  if (log.textContent === text) return;
  const end = log.scrollTop + log.clientHeight > log.scrollHeight - 20;
  log.textContent = text;
  if (end) log.scrollTop = log.scrollHeight;
}

function facts(kind, values) {
  const shown = (name, value) => (Array.isArray(value) ? value.join(", ") : name === "prompts" ? value.split(/[\\/]/).at(-1) : typeof value === "boolean" ? say(value ? "distil.yes" : "distil.no") : value);
  return Object.entries(values).map(([name, value]) => [wordOf(kind, "field", name, name.replace(/^\w+\./, "")), shown(name, value)]).filter(([, text]) => text !== "")
    .map(([label, text]) => el("div", {}, el("dt", {}, label), el("dd", { dir: "auto" }, text)));
}
