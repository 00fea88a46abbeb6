// Edit and continue: pin, mask again or replace tokens at the step on screen, then let the model go on.

import { el, knobs, named } from "./dom.js";
import { percent } from "./palette.js";
import { makeAsker, makeOthers } from "./others.js";
import { many, say, translated } from "./say.js";

const NONE = new Map();

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
  const tool = (name, key, act) => el("button", { type: "button", className: "dv-toggle", title: [say(`edit.${name}.title`), `(${key})`].join(" "), onclick: act }, say(`edit.${name}`));
  const tools = el("div", { className: "dv-tools", role: "group", "aria-label": say("edit.tools") },
    tool("pin", "p", edits.pin), tool("remask", "m", edits.remask), tool("replace", say("key.Enter"), box.ask),
    el("button", { type: "button", className: "dv-toggle dv-on", title: say("edit.on.title"), onclick: open }, say("edit.on")));
  store.on(({ live }) => { for (const button of tools.children) button.disabled = live; });
  const panel = el("section", { className: "dv-panel dv-study", "aria-label": say("edit.panel") },
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
    if (kept?.marks.size && kept.step !== step) return tell(say("edit.elsewhere", { step: kept.step }));
    const next = new Map(marks());
    if (mark) next.set(pos, mark); else next.delete(pos);
    kept = { run, step, marks: next };
    word = "";
    store.set({ edits: next, playing: false, told: {} });
  }
  /** Makes the edit of one kind at the chosen position, or takes it back. */
  function toggle(kind) {
    const { run, step, pos, live } = store.state;
    if (!run || live) return;
    if (!editable(run, pos)) return tell(say("edit.keep"));
    if (marks().get(pos)?.kind === kind && kept.step === step) return change(pos, null);
    if (run.masked(step, pos)) return tell(say(`edit.nothing.${kind}`, { pos }));
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
    pin: () => toggle("pin"), remask: () => toggle("remask"), change, tell,
    discard: () => { kept = null; word = ""; store.set({ edits: new Map(), told: {} }); },
  };
}

/** "3 edits at step 12 · Continue with [menu] · Discard" */
function makeBar(store, edits, asker, samplers) {
  let wanted = false, busy = false, problem = "";
  const text = el("span", { className: "dv-count", role: "status" });
  const menu = el("select", { className: "dv-select", "aria-label": say("edit.with") });
  const go = el("button", { type: "button", className: "dv-jump", onclick: () => send() }, say("edit.go"));
  const back = el("button", { type: "button", className: "dv-toggle", onclick: () => store.set({ step: edits.kept.step, playing: false, hover: null }) });
  const drop = el("button", { type: "button", className: "dv-toggle", onclick: () => { wanted = false; problem = ""; edits.discard(); } }, say("edit.discard"));
  const why = el("p", { className: "dv-refused", role: "alert" });
  const bar = el("div", { className: "dv-edits", role: "group", "aria-label": say("edit.label"), hidden: true },
    text, el("label", {}, `${say("edit.with")} `, menu), go, back, drop, why);

  async function send() {
    const { run, step } = edits.kept ?? store.state;
    busy = true; problem = ""; draw();
    const list = [...(edits.kept?.marks ?? [])].map(([position, { kind, token }]) => ({ position, kind, token }));
    const answer = await asker.ask("branch", { run: run.id, step, edits: list, sampler: menu.value || null });
    busy = false; problem = translated(answer.problem) ?? "";
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
    text.textContent = kept ? many("edit.count", marks.size, { step: at }) : say("edit.from", { step: at });
    text.hidden = menu.parentNode.hidden = go.hidden = only;
    go.disabled = busy || !left || !run.id;
    go.textContent = say(busy ? "main.opening" : "edit.go");
    back.hidden = at === step; back.textContent = say("edit.back", { step: at });
    drop.textContent = say(kept ? "edit.discard" : "close");
    why.textContent = edits.word || problem || (left || only ? "" : say("edit.full"));
  }
  function fill(run) {
    const settings = knobs(run.spec.params).map((text) => ` · ${text}`).join("");
    menu.replaceChildren(el("option", { value: "" }, say("edit.before", { sampler: `${run.spec.sampler}${settings}` })),
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
  const input = el("input", { type: "text", className: "dv-typed", "aria-label": say("edit.single"), placeholder: say("edit.type"), autocomplete: "off", spellcheck: false, maxLength: 200 });
  const told = el("p", { className: "dv-refused", role: "alert" });
  const title = el("h3", {});
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); typed(); } }, input, el("button", { className: "dv-jump" }, say("edit.write")));
  const element = el("div", { className: "dv-box", popover: "auto", role: "dialog", "aria-label": say("edit.box") }, title, list, form, told);
  let pos = null;

  const take = (token) => { element.hidePopover(); edits.change(pos, { kind: "replace", token }); canvas.focus({ preventScroll: true }); };
  const choice = (id, piece, note) => el("button", { type: "button", className: "dv-choice", "data-id": id, onclick: () => take(id) },
    el("span", { className: "dv-candidate", dir: "auto" }, named(piece)), el("span", { className: "dv-share" }, note));

  function ask() {
    const { state } = store, { run, step, live } = state;
    if (!run || live) return;
    pos = state.pos;
    if (!editable(run, pos)) return edits.tell(say("edit.keep"));
    const now = run.states[step][pos], thought = run.open(pos) ? run.thought(step, pos) : null;
    title.textContent = say("edit.title", { pos });
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
    if (!text.trim()) { told.textContent = say("edit.empty"); return; }
    told.textContent = say("edit.reading");
    const answer = await asker.ask("ask", { kind: "token", run: run.id, text });
    if (!element.matches(":popover-open")) return;
    told.textContent = translated(answer.problem) ?? "";
    run.learn(Object.fromEntries((answer.tokens ?? []).map(({ id, piece }) => [id, piece])));
    if (answer.tokens?.length === 1) return take(answer.tokens[0].id);
    if (!answer.tokens) return;
    told.textContent = say("edit.two");
    list.replaceChildren(...answer.tokens.map(({ id, piece }) => choice(id, piece, say(piece.startsWith(" ") ? "edit.space" : "edit.plain"))));
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
    line.replaceChildren(`${say("edit.parent")} `, el("a", { href: `?run=${encodeURIComponent(parent)}#step=${step}`, onclick: open }, parent),
      ` ${say("edit.parent.at", { step })}`, edits?.length ? many("edit.parent.edits", edits.length) : "");
  });
  return line;
}
