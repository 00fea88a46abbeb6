// The form of a training: what is trained, a preset, its settings. What was typed is kept as text, for
// each preset, until the page ends: a value that is refused stays where it is, with the sentence why.

import { el } from "./dom.js";
import * as ask from "./distil-ask.js";
import { around, decimal, either, many, say } from "./say.js";

const GROUPS = ["prompts", "training", "scores"];

export function makeForm(page) {
  const node = el("form", { className: "di-panel di-form", "aria-label": say("train.new"), noValidate: true, onsubmit: (event) => { event.preventDefault(); begin(view); } }, el("p", { className: "di-quiet" }, say("page.loading")));
  const view = { page, node, fields: new Map(), drafts: new Map(), presets: new Map(), kind: null, preset: null, asked: false };
  dropping(view);
  return {
    node,
    fill: async () => {
      if (view.asked) return;
      view.asked = true;
      const told = await ask.form();
      if (told.problem) { view.asked = false; return page.say(told.problem); }
      view.told = told;
      build(view, told.kinds[0]);
    },
    take: (kind, values) => { if (!view.told) return; if (kind !== view.kind) build(view, view.told.kinds.find(({ name }) => name === kind)); write(view, values); node.scrollIntoView({ block: "start" }); node.querySelector("input").focus({ preventScroll: true }); },
  };
}

/** Draws the form of one kind of training; what was typed into another one's stays for its return. */
function build(view, kind) {
  const { fields, presets } = kind, { tasks, models, kinds } = view.told;
  remember(view);
  view.asking?.abort();
  Object.assign(view, { kind: kind.name, preset: null, fields: new Map() });
  view.node.dataset.kind = kind.name;
  const made = new Map(fields.map((field) => [field.name, control(view, field, tasks, models)]));
  const group = (name) => fields.filter((field) => field.group === name).map((field) => made.get(field.name));
  view.presets = new Map(presets.map((preset) => [preset.name, preset]));
  view.title = el("input", { type: "text", maxLength: 120, id: "di-title" });
  view.cost = el("div", { className: "di-cost", role: "status" });
  view.problem = el("p", { className: "di-problem", role: "alert", id: "di-problem", hidden: true });
  view.ask = el("button", { type: "button", className: "di-button", onclick: () => estimate(view) }, say("distil.estimate"));
  view.ask.hidden = !kind.estimate;
  view.more = el("details", { className: "di-more" }, el("summary", {}, say("distil.more")), el("div", { className: "di-grid" }, ...group("more")));
  const sets = GROUPS.filter((name) => group(name).length).map((name) =>
    el("fieldset", {}, el("legend", {}, say(`distil.group.${name}`)), name === "prompts" && kind.files ? source(view) : null, el("div", { className: "di-grid" }, ...group(name))));
  view.node.replaceChildren(el("h3", {}, say("train.new")), what(view, kinds), choice(view, presets), ...group(""), ...sets,
    el("div", { className: "di-field" }, el("label", { htmlFor: "di-title" }, say("distil.title")), view.title), view.more,
    el("div", { className: "di-go" }, view.problem, view.cost, el("div", { className: "di-row" }, el("button", { type: "submit", className: "di-button di-strong di-start" }, say("distil.start")), view.ask)));
  turn(view, presets[0].name);
}

/** What is trained. The form of another choice takes the place of this one; the focus stays. */
function what(view, kinds) {
  const about = el("small", {}, either([`train.about.${view.kind}`], ""));
  const change = (kind) => { build(view, kind); view.node.querySelector("[name=di-kind]:checked").focus(); };
  const node = el("fieldset", { className: "di-presets di-kinds" }, el("legend", {}, say("train.what")),
    ...kinds.map((kind) => radio("di-kind", kind.name, either([`train.kind.${kind.name}`], kind.name), () => change(kind))), about);
  node.querySelector(`[value="${CSS.escape(view.kind)}"]`).checked = true;
  return node;
}

const radio = (name, value, label, onchange) => el("label", { className: "di-choice" }, el("input", { type: "radio", name, value, onchange }), el("span", {}, label));

function choice(view, presets) {
  return el("fieldset", { className: "di-presets" }, el("legend", {}, say("distil.preset")),
    ...presets.map(({ name }) => radio("di-preset", name, titleOf(view, name), () => turn(view, name))));
}

const titleOf = ({ kind }, preset) => either([`${kind}.preset.${preset}`], preset);

/** The sentence or the name of a field: of the kind, else of all kinds, else as the recipe calls it. */
export const wordOf = (kind, part, name, otherwise = "") => either([`${kind}.${part}.${name}`, `distil.${part}.${name}`], otherwise);

/** Whether prompts come from tasks or from a file. */
function source(view) {
  const set = () => { view.node.dataset.source = from(view); };
  return el("div", { className: "di-choices", role: "radiogroup", "aria-label": say("distil.source") }, ...["tasks", "file"].map((kind) => radio("di-source", kind, say(`distil.source.${kind}`), set)));
}

const from = (view) => view.node.querySelector("[name=di-source]:checked")?.value ?? "tasks";

/** One field: its label, its control and its sentence. */
function control(view, field, tasks, models) {
  const id = `di-${field.name.replace(".", "-")}`, name = field.name.replace(/^\w+\./, ""); // as the command line calls it
  const title = wordOf(view.kind, "field", field.name, name);
  const told = el("small", { id: `${id}-help` }, wordOf(view.kind, "help", field.name), name === title.toLowerCase() ? "" : el("code", {}, ` ${name}`));
  const words = { id, name: field.name, "aria-describedby": `${told.id} di-problem` };
  const wrap = (...parts) => el("div", { className: "di-field", "data-field": field.name }, ...parts);
  const keep = (read, put, focus) => view.fields.set(field.name, { ...field, read, put, focus });
  if (field.name === "tasks") {
    const boxes = tasks.map((task) => el("label", { className: "di-choice" }, el("input", { type: "checkbox", value: task }), el("span", {}, say(`form.task.${task}`))));
    const inputs = boxes.map((box) => box.firstChild);
    keep(() => (from(view) === "tasks" ? inputs.filter((box) => box.checked).map((box) => box.value) : []),
      (value) => inputs.forEach((box) => { box.checked = value.includes(box.value); }), () => inputs[0].focus());
    return el("div", { className: "di-field di-wide di-choices", "data-field": field.name, role: "group", "aria-label": title }, ...boxes, told);
  }
  if (field.switch) {
    const box = el("input", { type: "checkbox", ...words });
    keep(() => box.checked, (value) => { box.checked = value; }, () => box.focus());
    return wrap(el("label", { className: "di-choice" }, box, el("span", {}, title)), told);
  }
  const label = el("label", { htmlFor: id }, title);
  if (field.choices.length) {
    const select = el("select", words, ...field.choices.map((value) => el("option", { value }, value)));
    keep(() => select.value, (value) => { select.value = value; }, () => select.focus());
    return wrap(label, select, told);
  }
  const input = el("input", { type: "text", autocomplete: "off", spellcheck: "false", ...words });
  const file = field.name === "prompts";
  keep(() => (file && from(view) === "tasks" ? "" : input.value), (value) => { input.value = value; }, () => input.focus());
  if (field.name === "model") input.setAttribute("list", "di-models");
  const list = field.name === "model" ? el("datalist", { id: "di-models" }, ...models.map((value) => el("option", { value }))) : null;
  const node = wrap(label, input, list, file ? picker(view) : null, told);
  node.classList.toggle("di-wide", file);
  return node;
}

function picker(view) {
  const chosen = el("input", { type: "file", accept: ".jsonl,.json,.txt", hidden: true, "aria-label": say("distil.file"), onchange: () => { bring(view, chosen.files[0]); chosen.value = ""; } });
  return el("div", { className: "di-row" }, el("button", { type: "button", className: "di-button", onclick: () => chosen.click() }, say("distil.choose")), chosen, view.held = el("span", { className: "di-quiet", role: "status" }));
}

/** Sends a file to the server, which reads it, and puts its place into the field. */
async function bring(view, file) {
  if (!file || !view.fields.has("prompts")) return;
  refuse(view);
  view.node.querySelector("[name=di-source][value=file]").click();
  view.held.textContent = say("distil.reading");
  const told = await ask.upload(file);
  if (!view.fields.has("prompts")) return; // another kind was chosen meanwhile
  view.held.textContent = told.problem ? "" : many("distil.prompts", told.count);
  if (told.problem) return refuse(view, { ...told, field: "prompts" });
  view.fields.get("prompts").put(told.path);
  const length = view.fields.get("gen_length");
  if (length.read().trim() === "0") length.put("256");
}

/** While the tab is seen, a file that is dropped anywhere is one of prompts, unless it is a run. */
function dropping(view) {
  window.addEventListener("drop", (event) => {
    const file = event.dataTransfer?.files[0];
    if (document.body.dataset.tab !== "distil" || !file || file.name.toLowerCase().endsWith(".npz")) return;
    event.preventDefault();
    bring(view, file);
  }, { capture: true });
}

const read = (view) => Object.fromEntries([...view.fields].map(([name, field]) => [name, field.read()]));

/** Shows a preset, or what was typed after it was last chosen. */
function turn(view, preset) {
  remember(view);
  view.preset = preset;
  const { values } = view.presets.get(preset), draft = view.drafts.get(`${view.kind} ${preset}`);
  view.title.placeholder = titleOf(view, preset);
  view.title.value = draft?.title ?? "";
  write(view, draft ?? values);
  view.node.querySelector(`[name=di-preset][value="${CSS.escape(preset)}"]`).checked = true;
}

/** Keeps what was typed for when this preset is chosen again. */
function remember(view) {
  if (view.preset) view.drafts.set(`${view.kind} ${view.preset}`, { ...read(view), title: view.title.value });
}

function write(view, values) {
  for (const [name, field] of view.fields) if (name in values) field.put(values[name]);
  const kind = values.prompts ? "file" : "tasks";
  const source = view.node.querySelector(`[name=di-source][value=${kind}]`);
  if (source) source.checked = true;
  view.node.dataset.source = kind;
  view.cost.replaceChildren();
  refuse(view);
}

/** Says what is wrong beside the buttons, and marks the field; without a problem, says nothing. */
function refuse(view, { problem = "", field = "" } = {}) {
  view.problem.textContent = problem;
  view.problem.hidden = !problem;
  for (const marked of view.node.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
  const found = view.fields.get(field);
  if (!problem || !found) return;
  if (found.group === "more") view.more.open = true;
  found.focus();
  if (view.node.contains(document.activeElement)) document.activeElement.setAttribute("aria-invalid", "true");
}

const given = (view) => ({ kind: view.kind, preset: view.preset, title: view.title.value.trim() || view.title.placeholder, values: read(view) });

async function begin(view) {
  if (!view.fields.size || view.starting) return;
  view.starting = true;
  const told = await ask.start(given(view));
  view.starting = false;
  refuse(view, told);
  if (told.id) view.page.choose(told.id, { focus: true });
}

/** Asks what the job would take; the same button cancels. */
async function estimate(view) {
  if (view.asking) return view.asking.abort();
  refuse(view);
  view.asking = new AbortController();
  view.ask.textContent = say("distil.cancel");
  const place = view.cost, began = Date.now(), told = () => place.replaceChildren(el("p", { className: "di-quiet" }, say("distil.measuring", { seconds: Math.round((Date.now() - began) / 1000) })));
  told();
  const timer = setInterval(told, 1000);
  const { signal } = view.asking, cost = await ask.estimate(given(view), signal);
  clearInterval(timer);
  view.asking = null;
  if (place !== view.cost) return; // another kind was chosen meanwhile
  view.ask.textContent = say("distil.estimate");
  place.replaceChildren(...(signal.aborted ? [el("p", { className: "di-quiet" }, say("distil.cancelled"))] : cost.problem ? [] : costs(cost)));
  if (!signal.aborted) refuse(view, cost);
}

export const duration = (seconds) => {
  const s = Math.round(seconds), m = Math.floor(s / 60), h = Math.floor(m / 60);
  return h ? `${h} h ${m % 60} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
};

function costs(cost) {
  const facts = [["answers", duration(cost.answers)], ["training", duration(cost.training)], ["evaluation", duration(cost.evaluation)], ["memory", decimal(`${(cost.memory / 2 ** 30).toFixed(1)} GiB`)], ["device", cost.device]];
  return [el("p", {}, ...around("distil.cost", () => el("b", {}, duration(cost.seconds)))),
    el("dl", { className: "di-facts" }, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, say(`distil.cost.${name}`)), el("dd", {}, value)))),
    cost.busy ? el("p", { className: "di-quiet" }, say("distil.busy")) : null].filter(Boolean);
}
