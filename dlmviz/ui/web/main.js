// The run view: builds the panels once, then listens to messages from the server.
// Scrubbing never calls the server; it only sends new runs and, while decoding, new steps.

import { makeAnimation } from "./animation.js";
import { makeDepend } from "./arcs.js";
import { makeCard } from "./card.js";
import { makeBeside } from "./compare-add.js";
import { el, knobs } from "./dom.js";
import { makeStudy } from "./edit.js";
import { makeLegend, makeScale } from "./legend.js";
import { arrive, makeShare } from "./link.js";
import { makeMap } from "./map.js";
import { makeAnswer, makeNumbers } from "./numbers.js";
import { makePresenter } from "./present.js";
import { Run } from "./run.js";
import { around, decimal, say, translated } from "./say.js";
import { makeSelection, selectionKeys } from "./selection.js";
import { makeSegments } from "./segments.js";
import { makeSnapshots } from "./snapshots.js";
import { fittingSpeed, makeStore, startClock } from "./store.js";
import { canvasKeys, makeTokens, sentence } from "./tokens.js";
import { makeTransport } from "./transport.js";

const RUNS = new URL("dlmviz/runs/", document.baseURI).href;

/** Mounts the view into a component once. `watch` and `props` are those of the component. */
export function mount(element, props, watch, trigger) {
  const root = element.querySelector(".dv-root");
  if (!root || root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  const store = makeStore();
  const view = layout(root, store, trigger);
  root.append(makeAnimation(store));
  const receive = receiver(store, view);
  startClock(store);
  watchTheme(store);
  watch("value", () => receive(JSON.parse(props.value)));
  window.addEventListener("dlmviz:stopped", () => receive({ type: "stopped" }));
  window.addEventListener("dlmviz:ended", () => receive({ type: "ended" }));
  window.addEventListener("dlmviz:open", ({ detail }) => receive({ type: "open", ...detail }));
  document.querySelector("#decode")?.addEventListener("click", () => note(say("main.opening")));
  if (props.value) receive(JSON.parse(props.value));
  return store;
}

function layout(root, store, trigger) {
  const { prompt, canvas } = makeTokens(store);
  const { bar, keys } = makeTransport(store);
  canvas.addEventListener("keydown", selectionKeys(store));
  canvas.addEventListener("keydown", canvasKeys(store, keys));
  const study = makeStudy(store, canvas, trigger, root.dataset.samplers.split(" "));
  const toggle = (key) => {
    const button = el("button", { type: "button", className: "dv-toggle", title: say(`main.${key}.title`), "aria-pressed": "false",
      onclick: () => store.set({ [key]: !store.state[key] }) }, say(`main.${key}`));
    store.on((state) => button.setAttribute("aria-pressed", String(state[key])));
    return button;
  };
  const view = {
    title: el("h2", {}, say("page.loading")), look: el("p", { className: "dv-look" }), caption: el("p", { className: "dv-quiet" }), hint: el("p", { className: "dv-hint" }),
    runs: el("select", { className: "dv-select", "aria-label": say("main.recorded"), hidden: true }),
    save: el("a", { className: "dv-save", hidden: true, download: "", title: say("main.save.title") }, say("main.save")),
  };
  const watchPanel = el("section", { className: "dv-panel dv-watch", "aria-label": say("main.canvas") },
    el("header", {}, view.title, el("div", { className: "dv-tools" }, view.runs, makeShare(store), view.save, makeSnapshots(store))),
    el("div", { className: "dv-about" }, view.look, view.caption, study.lineage),
    prompt, canvas, view.hint,
    el("footer", {}, makeScale(), makeLegend(store), el("span", { className: "dv-toggles" },
      toggle("order"), toggle("spaces"), makePresenter(), makeBeside(store))),
    study.bar, bar);
  const numbers = el("section", { className: "dv-panel" }, makeNumbers(store), makeAnswer(store));
  Object.assign(view, study);
  root.replaceChildren(
    el("div", { className: "dv-main" }, watchPanel, study.panel, makeDepend(store), makeSegments(store), numbers),
    el("div", { className: "dv-side" }, makeMap(store), makeSelection(store), makeCard(store)));
  store.on((state) => {
    const { run, step } = state;
    if (!run) return;
    view.hint.replaceChildren(...(step > 0 ? [said(run, step)] : hint()));
    root.dataset.live = state.live;
    root.dataset.playing = state.playing;
  });
  return view;
}

const hint = () => around("main.hint", (key) => el("kbd", {}, key));

const said = (run, step) => sentence(run, step).replace(/^s/, "S");

/** The function that takes one message: open, begin, steps, finish, problem, gallery. */
function receiver(store, view) {
  let token = 0; // of the newest request: an answer that comes late is dropped
  const show = (run, patch) => {
    describe(view, run);
    store.set({ run, step: 0, speed: fittingSpeed(run.steps), pos: run.offset, hover: null, playing: false, live: false, follow: false, ...patch });
  };
  let refused = ""; // why the last request brought no run
  async function open(id, then = (header) => show(new Run(header)), query = "") {
    const mine = ++token;
    const answer = await fetch(RUNS + encodeURIComponent(id) + query).catch(() => null);
    const told = await answer?.json().catch(() => null); // of an empty answer, or a cut one: nothing
    if (mine !== token) return false;
    refused = translated(told?.problem) ?? say(answer ? "server.gone" : "main.silent");
    if (answer?.status !== 200 || !told) return false;
    then({ ...told, id });
    return true;
  }
  /** Gets what the server knows of a run that ended, however it ended; it may still be writing it. */
  const settle = (id) => open(id, (header) => { if (store.state.run?.id === id) complete(header); }, "?wait");
  function complete(header) {
    const { run, step, pos } = store.state;
    const last = header.steps.length;
    if (run.steps !== last) return show(new Run(header), { step: step === run.steps ? last : step, pos });
    run.finish(header);
    run.learn(header.pieces);
    describe(view, run);
    store.set({ live: false, follow: false, finished: {}, speed: fittingSpeed(last) });
  }
  const act = {
    open: async ({ id, note: text, step = 0 }) => {
      if (await open(id, (header) => show(new Run(header), { step }))) note(text ?? "");
      else { note(refused, true); if (!store.state.run) empty(view, say("main.unshown"), refused); }
    },
    gallery: ({ runs, id }) => { gallery(view, runs, (chosen) => act.open({ id: chosen })); arrive(store, (wanted) => open(wanted, undefined, "?link"), () => (id ? act.open({ id }) : empty(view, say("main.none")))).then(focusCanvas); },
    answer: (message) => view.answer(message),
    begin: ({ header }) => { token++; view.begun(); show(new Run(header), { live: true, follow: true }); note(say("main.decoding")); reveal(); },
    steps: ({ id, first, steps, pieces }) => {
      const { run, follow } = store.state;
      if (run?.id !== id || first > run.steps) return;
      run.learn(pieces);
      const fresh = steps.slice(run.steps - first);
      run.append(fresh);
      const grown = fresh.flatMap((entry) => [...entry.positions, ...entry.remasked]);
      store.set(follow ? { grown, step: run.steps } : { grown });
    },
    finish: ({ id, saved, count, note: text, ...rest }) => {
      const { run } = store.state;
      note(text);
      if (run?.id !== id) return;
      run.id = saved;
      if (run.steps === count) complete({ ...rest, pieces: {}, steps: run.records });
      else settle(saved);
    },
    show: ({ run }) => { show(new Run(run)); focusCanvas(); }, // a run that the page itself holds
    stopped: () => { if (store.state.live) { note(say("main.stopped")); end(); } },
    ended: () => { if (store.state.live) end(); },
    problem: ({ text }) => { note(text, true); if (store.state.live) end(); },
  };
  function end() {
    store.set({ live: false, follow: false });
    settle(store.state.run.id);
  }
  return (message) => act[message.type]?.(message);
}

function describe(view, run) {
  const { spec, info } = run;
  const settings = knobs(spec.params).map((text) => ` · ${text}`).join("");
  view.title.textContent = info.title ?? `${spec.sampler}${settings}`;
  view.look.textContent = info.look ?? "";
  const rule = info.title ? [`${spec.sampler}${settings}`] : [];
  view.caption.textContent = [...rule, spec.adapter ? `${spec.model} + ${spec.adapter.split(/[\\/]/).at(-1)}` : spec.model, say("run.lengths", { length: spec.gen_length, block: spec.block_length }), say("run.temperature", { x: decimal(spec.temperature) }), say("run.seed", { x: spec.seed })].join(" · ");
  view.save.hidden = !run.id || run.text === null;
  view.save.href = `${RUNS}${encodeURIComponent(run.id)}.npz`;
}

function gallery(view, runs, chosen) {
  view.runs.hidden = runs.length < 2;
  view.runs.replaceChildren(el("option", { value: "" }, say("main.recorded.choose")), ...runs.map(({ id, title }) => el("option", { value: id }, title)));
  view.runs.onchange = () => { if (view.runs.value) chosen(view.runs.value); view.runs.value = ""; };
}

/** What stands where the run would: why there is none, and what can be done. */
function empty(view, title, why = "") {
  view.title.textContent = title;
  view.look.textContent = why;
  const other = view.runs.hidden ? "" : `${say("main.choose")} `;
  view.caption.textContent = other + (document.querySelector("#run-view") ? say("main.decode") : "");
}

/** Keys work at once: whoever opens the page may press Space. */
function focusCanvas() {
  if (document.activeElement === document.body) document.querySelector(".dv-canvas").focus({ preventScroll: true });
}

/** One sentence under the Decode button. */
function note(text, problem = false) {
  const line = document.querySelector(".dv-note");
  if (!line) return;
  line.textContent = translated(text);
  line.classList.toggle("dv-problem", problem);
}

/** On a narrow screen the tokens stand above the form: bring them into sight. */
function reveal() {
  const panel = document.querySelector(".dv-watch");
  if (panel.getBoundingClientRect().bottom < 80) panel.scrollIntoView({ block: "start" });
}

function watchTheme(store) {
  const observer = new MutationObserver(() => store.set({ theme: document.body.className }));
  observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
}
