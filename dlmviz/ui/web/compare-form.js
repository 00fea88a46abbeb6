// The settings of the Compare tab: what all lanes share, and a card a lane with what is its own.

import { ask } from "./compare-ask.js";
import { el } from "./dom.js";
import { decimal, say } from "./say.js";

const WHOLE = ["gen_length", "block_length", "seed"];

/** The form. `share(spec)` fills what all share, `specOf(lane)` is what a lane would decode. */
export function makeSettings(page, { note, decode, stop }) {
  const view = { page, told: null, fields: {}, cards: new Map() };
  const prompt = el("textarea", { rows: 4, id: "cp-prompt", placeholder: say("form.prompt.hint"), spellcheck: false });
  view.fields.prompt = prompt;
  const chips = el("div", { className: "cp-chips" });
  const numbers = WHOLE.map((name) => {
    const input = view.fields[name] = el("input", { type: "number", min: name === "block_length" ? 1 : 0, step: 1, id: `cp-${name}` });
    return el("div", { className: "cp-field" }, el("label", { htmlFor: input.id }, say({ gen_length: "form.length", block_length: "form.block", seed: "form.seed" }[name])), input);
  });
  const go = el("button", { type: "submit", className: "cp-go" }, say("form.decode"));
  const halt = el("button", { type: "button", className: "cp-halt", disabled: true, onclick: stop }, say("form.stop"));
  const lanes = el("div", { className: "cp-lanes" });
  const more = el("button", { type: "button", className: "dv-toggle cp-more", onclick: () => { page.touched = true; page.add(specOf(view, page.lanes.at(-1))); page.draw(); lanes.lastChild.open = true; lanes.lastChild.querySelector("summary").focus(); } }, say("compare.add"));
  const node = el("form", { className: "dv-panel cp-form", "aria-label": say("compare.settings"), noValidate: true, onsubmit: (event) => { event.preventDefault(); decode(); } },
    el("h3", {}, say("compare.shared")), el("div", { className: "cp-field" }, el("label", { htmlFor: "cp-prompt" }, say("form.prompt")), prompt), chips,
    el("div", { className: "cp-row" }, ...numbers), el("div", { className: "cp-row cp-buttons" }, go, halt), note, el("h3", {}, say("compare.lanes")), lanes, more);
  const fill = async (anew = false) => {
    if (view.told && !anew) return view.told;
    const told = await ask.form();
    if (told.problem) { page.say(told.problem, true); return null; }
    view.told = told;
    chips.replaceChildren(...told.tasks.map((name) => el("button", { type: "button", className: "cp-chip", onclick: () => bring(view, name) }, say(`form.task.${name}`))));
    return told;
  };
  return {
    node, fill,
    draw: () => {
      if (!view.told) return;
      go.disabled = page.decoding;
      halt.disabled = !page.decoding;
      more.hidden = page.lanes.length >= view.told.most;
      more.disabled = page.decoding;
      const open = new Set([...view.cards].filter(([, card]) => card.open).map(([key]) => key));
      view.cards = new Map(page.lanes.map((lane) => [lane.key, card(view, lane, open.has(lane.key))]));
      lanes.replaceChildren(...view.cards.values());
    },
    share: (spec) => { for (const [name, field] of Object.entries(view.fields)) if (spec[name] !== undefined) field.value = spec[name]; },
    shared: () => ({ prompt: prompt.value, ...Object.fromEntries(WHOLE.map((name) => [name, view.fields[name].value === "" ? null : Number(view.fields[name].value)])) }),
    specOf: (lane) => specOf(view, lane),
  };
}

/** What a lane would decode. */
const specOf = (view, lane) => { const spec = lane?.spec ?? view.told.spec; return { ...spec, params: { ...spec.params } }; };

/** A fresh example of a task into the shared fields. */
async function bring(view, name) {
  const told = await ask.example(name);
  if (told.problem) return view.page.say(told.problem, true);
  for (const [key, field] of Object.entries(view.fields)) if (told[key] !== undefined) field.value = told[key];
  view.page.example = told.example;
  view.page.say("");
  return undefined;
}

/** What tells a lane from another one: its rule with what was changed, model and adapter. */
export function named(spec, adapters = []) {
  const knobs = Object.entries(spec.params).map(([name, value]) => ` · ${name} ${typeof value === "number" ? decimal(value) : leaf(value)}`).join("");
  const adapter = spec.adapter ? ` + ${adapterOf(spec.adapter, adapters)}` : "";
  return { rule: `${spec.sampler}${knobs}`, model: `${spec.model}${adapter}` };
}

/** Of a folder its name alone. */
const leaf = (value) => (typeof value === "string" ? value.split(/[\\/]/).filter(Boolean).at(-1) ?? "" : value);

const adapterOf = (folder, adapters) => adapters.find((one) => one.folder === folder)?.title.split(" · ")[0] ?? folder.split(/[\\/]/).at(-1);

/** The settings of one lane, folded; the summary says what they are. */
function card(view, lane, open) {
  const { page, told } = view, letter = page.letter(lane), id = (name) => `cp-${lane.key}-${name}`;
  const { spec } = lane, known = told.models.includes(spec.model);
  const title = el("span", { className: "cp-said" });
  const say_ = () => { const { rule, model } = named(spec, told.adapters); title.replaceChildren(el("b", {}, rule), ` ${model}`); };
  const set = (name, value) => { page.touched = true; spec[name] = value; say_(); };
  const field = (name, label, input, help) => { input.id = id(name); return el("div", { className: "cp-field" }, el("label", { htmlFor: input.id }, label), input, help ? el("small", {}, help) : null); };
  const choice = (values, value, onchange) => { const node = el("select", { onchange: () => onchange(node.value) }, ...values.map(([v, text]) => el("option", { value: v }, text))); node.value = value; return node; };
  const again = () => { const fresh = card(view, lane, true); view.cards.set(lane.key, fresh); node.replaceWith(fresh); return fresh; };
  const models = [...told.models.map((name) => [name, name]), ...(known ? [] : [[spec.model, spec.model]]), ["", say("compare.model.other")]];
  const model = choice(models, spec.model, (value) => { lane.typed = false; set("model", value); set("adapter", null); again().querySelector(value ? `#${id("model")}` : `#${id("other")}`)?.focus(); });
  const other = known ? null : field("other", say("form.other"), el("input", { type: "text", value: spec.model, placeholder: say("form.other.hint"), spellcheck: false, onchange: (event) => { set("model", event.target.value.trim()); again(); } }));
  const own = told.adapters.filter((one) => one.model === spec.model), stray = spec.adapter && !own.some(({ folder }) => folder === spec.adapter);
  const adapters = [["", say("form.adapter.none")], ...own.map(({ folder, title: text }) => [folder, text]), ...(stray && !lane.typed ? [[spec.adapter, adapterOf(spec.adapter, told.adapters)]] : []), ["?", say("compare.model.other")]];
  const typed = lane.typed ? field("folder", say("form.adapter.hint"), el("input", { type: "text", value: spec.adapter ?? "", spellcheck: false, onchange: (event) => set("adapter", event.target.value.trim() || null) })) : null;
  const adapt = (value) => { lane.typed = value === "?"; set("adapter", lane.typed ? null : value || null); again().querySelector(`#${id(lane.typed ? "folder" : "adapter")}`).focus(); };
  const parts = [
    field("model", say("form.model"), model), other,
    field("adapter", say("form.adapter"), choice(adapters, lane.typed ? "?" : spec.adapter ?? "", adapt), own.length ? "" : say("compare.adapter.none")), typed,
    field("sampler", say("form.sampler"), choice(told.samplers.map(({ name }) => [name, name]), spec.sampler, (value) => { set("sampler", value); set("params", {}); again().querySelector(`#${id("sampler")}`).focus(); })),
    ...knobsOf(view, spec).map(([name, knob]) => knobField(knob, name, spec, id, (value) => { page.touched = true; spec.params[name] = value; say_(); if (name === "base") again().querySelector(`#${id("knob-base")}`)?.focus(); })),
    field("temperature", say("form.temperature"), el("input", { type: "number", min: 0, step: 0.1, value: spec.temperature, onchange: (event) => set("temperature", event.target.value === "" ? null : Number(event.target.value)) })),
  ].filter(Boolean);
  const remove = el("button", { type: "button", className: "dv-toggle", disabled: page.decoding || page.lanes.length < 2, onclick: () => page.remove(lane) }, say("compare.remove"));
  const node = el("details", { className: "cp-card", "data-letter": letter, name: "cp-card", open }, el("summary", {}, el("span", { className: "cp-letter" }, letter), title), el("div", { className: "cp-fields" }, ...parts, remove));
  say_();
  return node;
}

/** [name in params, knob] of a sampler, and of the one that writes its draft. */
function knobsOf({ told }, spec) {
  const entry = told.samplers.find(({ name }) => name === spec.sampler);
  const drafts = entry?.base && told.samplers.find(({ name }) => name === (spec.params.base ?? entry.base));
  return [...(entry?.knobs ?? []).map((knob) => [knob.name, knob]), ...(drafts ? drafts.knobs.map((knob) => [`base.${knob.name}`, knob]) : [])];
}

function knobField(knob, name, spec, id, put) {
  const value = spec.params[name] ?? knob.default, key = id(`knob-${name.replace(".", "-")}`), words = { id: key, "aria-describedby": `${key}-help` };
  const help = el("small", { id: `${key}-help` }, knob.help);
  if (knob.kind === "switch") {
    const box = el("input", { type: "checkbox", checked: value, ...words, onchange: () => put(box.checked) });
    return el("div", { className: "cp-field" }, el("label", { className: "cp-switch" }, box, name), help);
  }
  const input = knob.kind === "choice" ? el("select", { ...words, onchange: () => put(input.value) }, ...knob.choices.map((one) => el("option", { value: one }, one)))
    : knob.kind === "text" ? el("input", { type: "text", ...words, onchange: () => put(input.value) })
    : el("input", { type: "number", min: knob.low, max: knob.high, step: knob.step ?? "any", ...words, onchange: () => put(input.value === "" ? knob.default : Number(input.value)) });
  input.value = value;
  return el("div", { className: "cp-field" }, el("label", { htmlFor: key }, name), input, help);
}
