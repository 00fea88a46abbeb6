// Edit and continue: pin, mask again or replace tokens at the step on screen, then let the model go on.

import { el, named } from "./dom.js";
import { percent } from "./palette.js";
import { makeAsker, makeOthers } from "./others.js";

const NONE = new Map();
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Whether a position belongs to the answer, so that it may be edited. */
const editable = (run, pos) => pos !== null && (run.open(pos) || (pos >= run.promptLength && pos < run.promptLength + run.spec.gen_length));

/** The panel under the transport, the bar of the edits, the line that names a parent; `answer` takes
 * the server's answers, `begun` hears that a run begins. */
export function makeStudy(store, canvas, trigger, samplers) {
  const asker = makeAsker(trigger), others = makeOthers(store, asker), edits = makeEdits(store);
  const { bar, open } = makeBar(store, edits, asker, samplers);
  const box = makeBox(store, edits, asker, canvas);
  const acts = { p: edits.pin, m: edits.remask, Delete: edits.remask, Enter: box.ask, o: others.press };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });
  const tool = (label, key, title, act) => el("button", { type: "button", className: "dv-toggle", title: `${title} (${key})`, onclick: act }, label);
  const tools = el("div", { className: "dv-tools", role: "group", "aria-label": "Edit the chosen token" },
    tool("Pin", "p", "Keep the chosen token", edits.pin), tool("Remask", "m", "Mask the chosen token again", edits.remask),
    tool("Replace", "Enter", "Write another token there", box.ask),
    el("button", { type: "button", className: "dv-toggle dv-on", title: "Let the model go on from this step, with this or another sampler", onclick: open }, "Continue from here"));
  store.on(({ live }) => { for (const button of tools.children) button.disabled = live; });
  const panel = el("section", { className: "dv-panel dv-study", "aria-label": "Ask and edit" },
    el("div", { className: "dv-acts" }, others.button, tools), others.panel, box.element);
  return { panel, bar, lineage: makeLineage(store), answer: asker.answer, begun: asker.begun };
}

/** The edits of one step of one run. They leave the canvas when the step is left, and come back. */
function makeEdits(store) {
  let kept = null; // {run, step, marks}
  let word = ""; // why the last key did nothing
  const tell = (text) => { word = text; store.set({ told: {} }); };
  const marks = () => (kept ? kept.marks : NONE);

  function change(pos, mark) {
    const { run, step } = store.state;
    if (kept?.marks.size && kept.step !== step) return tell(`There are edits at step ${kept.step}: continue or discard them first.`);
    const next = new Map(marks());
    if (mark) next.set(pos, mark); else next.delete(pos);
    kept = { run, step, marks: next };
    word = "";
    store.set({ edits: next, playing: false, told: {} });
  }
  /** Makes the edit of one kind at the chosen position, or takes it back. */
  function toggle(kind, verb) {
    const { run, step, pos, live } = store.state;
    if (!run || live) return;
    if (!editable(run, pos)) return tell("Choose a token of the answer first.");
    if (marks().get(pos)?.kind === kind && kept.step === step) return change(pos, null);
    if (run.masked(step, pos)) return tell(`Nothing stands at position ${pos} yet, so there is nothing to ${verb}. Press Enter to write a token there.`);
    change(pos, { kind, token: kind === "pin" ? run.states[step][pos] : null });
  }
  store.on((state, changed) => {
    if (changed.has("run")) kept = null;
    if (changed.has("run") || changed.has("step") || changed.has("pos")) word = "";
    const visible = kept?.step === state.step ? kept.marks : NONE;
    if ((changed.has("run") || changed.has("step")) && state.edits !== visible && (state.edits.size || visible.size)) store.set({ edits: visible });
  });
  return {
    get kept() { return kept?.marks.size ? kept : null; },
    get word() { return word; },
    pin: () => toggle("pin", "pin"), remask: () => toggle("remask", "mask again"), change, tell,
    discard: () => { kept = null; word = ""; store.set({ edits: new Map(), told: {} }); },
  };
}

/** "3 edits at step 12 · Continue with [menu] · Discard" */
function makeBar(store, edits, asker, samplers) {
  let wanted = false, busy = false, problem = "";
  const text = el("span", { className: "dv-count", role: "status" });
  const menu = el("select", { className: "dv-select", "aria-label": "Continue with" });
  const go = el("button", { type: "button", className: "dv-jump", onclick: () => send() }, "Continue");
  const back = el("button", { type: "button", className: "dv-toggle", onclick: () => store.set({ step: edits.kept.step, playing: false, hover: null }) });
  const drop = el("button", { type: "button", className: "dv-toggle", onclick: () => { wanted = false; problem = ""; edits.discard(); } }, "Discard");
  const why = el("p", { className: "dv-refused", role: "alert" });
  const bar = el("div", { className: "dv-edits", role: "group", "aria-label": "Edit and continue", hidden: true },
    text, el("label", {}, "Continue with ", menu), go, back, drop, why);

  async function send() {
    const { run, step } = edits.kept ?? store.state;
    busy = true; problem = ""; draw();
    const list = [...(edits.kept?.marks ?? [])].map(([position, { kind, token }]) => ({ position, kind, token }));
    const answer = await asker.ask("branch", { run: run.id, step, edits: list, sampler: menu.value || null });
    busy = false; problem = answer.problem ?? "";
    draw();
  }
  function draw() {
    const { run, step, live } = store.state, kept = edits.kept;
    bar.hidden = !run || live || !(kept || wanted || edits.word);
    if (bar.hidden) return;
    bar.style.bottom = `${bar.nextElementSibling?.offsetHeight ?? 0}px`; // it stays above the transport
    const at = kept?.step ?? step, marks = kept?.marks ?? NONE;
    const left = run.states[at].some((token, pos) => (marks.has(pos) ? marks.get(pos).kind === "remask" : token === run.maskId));
    const only = !kept && !wanted; // there is nothing but a word to say
    text.textContent = kept ? `${plural(marks.size, "edit")} at step ${at}` : `From step ${at}`;
    text.hidden = menu.parentNode.hidden = go.hidden = only;
    go.disabled = busy || !left || !run.id;
    go.textContent = busy ? "Opening the model…" : "Continue";
    back.hidden = at === step; back.textContent = `Go to step ${at}`;
    drop.textContent = kept ? "Discard" : "Close";
    why.textContent = edits.word || problem || (left || only ? "" : "Nothing is masked here: mask a token again (m), or go to an earlier step.");
  }
  function fill(run) {
    const knobs = Object.entries(run.spec.params).map(([name, value]) => ` · ${name} ${value}`).join("");
    menu.replaceChildren(el("option", { value: "" }, `${run.spec.sampler}${knobs}, as before`),
      ...samplers.filter((name) => name !== run.spec.sampler).map((name) => el("option", { value: name }, name)));
  }
  store.on((state, changed) => {
    if (changed.has("run") && state.run) { wanted = false; fill(state.run); }
    if (changed.has("run") || changed.has("edits") || changed.has("step")) problem = "";
    if (["run", "step", "live", "edits", "told"].some((key) => changed.has(key))) draw();
  });
  return { bar, open: () => { wanted = true; store.set({ playing: false, told: {} }); if (!bar.hidden) menu.focus(); } };
}

/** The small box that writes a token: from the list of the position, or typed. */
function makeBox(store, edits, asker, canvas) {
  const list = el("div", { className: "dv-choices" });
  const input = el("input", { type: "text", className: "dv-typed", "aria-label": "One token", placeholder: "or type one token", autocomplete: "off", spellcheck: false, maxLength: 200 });
  const told = el("p", { className: "dv-refused", role: "alert" });
  const title = el("h3", {});
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); typed(); } }, input, el("button", { className: "dv-jump" }, "Write"));
  const element = el("div", { className: "dv-box", popover: "auto", role: "dialog", "aria-label": "Replace a token" }, title, list, form, told);
  let pos = null;

  const take = (token) => { element.hidePopover(); edits.change(pos, { kind: "replace", token }); canvas.focus({ preventScroll: true }); };
  const choice = (id, piece, note) => el("button", { type: "button", className: "dv-choice", "data-id": id, onclick: () => take(id) },
    el("span", { className: "dv-candidate", dir: "auto" }, named(piece)), el("span", { className: "dv-share" }, note));

  function ask() {
    const { state } = store, { run, step, live } = state;
    if (!run || live) return;
    pos = state.pos;
    if (!editable(run, pos)) return edits.tell("Choose a token of the answer first.");
    const now = run.states[step][pos], thought = run.open(pos) ? run.thought(step, pos) : null;
    title.textContent = `Position ${pos}: write another token`;
    const top = (thought?.top ?? []).filter(({ id }) => id >= 0 && id !== now && id !== run.maskId);
    list.replaceChildren(...top.map(({ id, probability }) => choice(id, run.piece(id), percent(probability))));
    input.value = told.textContent = "";
    element.showPopover();
    place();
    (list.firstChild ?? input).focus({ preventScroll: true });
  }
  /** Below the token, or above it where there is no room; never beyond the window. */
  function place() {
    const token = document.getElementById(`dv-token-${pos}`)?.getBoundingClientRect(), { width, height } = element.getBoundingClientRect();
    if (!token) return;
    const below = token.bottom + 8, top = below + height < innerHeight ? below : Math.max(8, token.top - height - 8);
    element.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, token.left))}px`;
    element.style.top = `${top}px`;
  }
  async function typed() {
    const { run } = store.state, text = input.value;
    if (!text.trim()) { told.textContent = "Type one token: a word, a part of one, or a mark."; return; }
    told.textContent = "Reading…";
    const answer = await asker.ask("ask", { kind: "token", run: run.id, text });
    if (!element.matches(":popover-open")) return;
    told.textContent = answer.problem ?? "";
    run.learn(Object.fromEntries((answer.tokens ?? []).map(({ id, piece }) => [id, piece])));
    if (answer.tokens?.length === 1) return take(answer.tokens[0].id);
    if (!answer.tokens) return;
    told.textContent = "Two tokens read like this: choose one.";
    list.replaceChildren(...answer.tokens.map(({ id, piece }) => choice(id, piece, piece.startsWith(" ") ? "with a space" : "as it is")));
    list.firstChild.focus();
  }
  return { element, ask };
}

/** "Continued from RUN at step 12, with 3 edits", where this run is a child. */
function makeLineage(store) {
  const line = el("p", { className: "dv-lineage dv-quiet", hidden: true });
  store.on((state, changed) => {
    if (!changed.has("run") && !changed.has("finished")) return;
    const { parent, step, edits } = state.run?.info ?? {};
    line.hidden = typeof parent !== "string";
    if (line.hidden) return;
    const open = (event) => { event.preventDefault(); window.dispatchEvent(new CustomEvent("dlmviz:open", { detail: { id: parent, step } })); };
    line.replaceChildren("Continued from ", el("a", { href: `?run=${encodeURIComponent(parent)}#step=${step}`, onclick: open }, parent),
      ` at step ${step}`, edits?.length ? `, with ${plural(edits.length, "edit")}` : "");
  });
  return line;
}
