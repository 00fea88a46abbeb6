// The one clock of all lanes: it shows steps, the share revealed, or forwards, and moves every lane.
// Its store holds the moments as a run of so many steps, so that what moves a run moves it, too.

import { ICONS } from "./transport.js";
import { moments, stepAt, ticksOf } from "./compare-kinds.js";
import { el, icon } from "./dom.js";
import { decimal, many, say } from "./say.js";
import { SPEEDS, changeSpeed, fittingSpeed, goTo, togglePlay } from "./store.js";

export const CLOCKS = ["fraction", "step", "nfe"];

/** What the clock shows now. */
export const now = ({ run, step }) => run?.moments[step] ?? 0;

/** A moment in words: "50 %", "step 12", "12 forwards". */
export function shownAt(clock, at) {
  if (clock === "fraction") return say("compare.at.fraction", { x: decimal(+(100 * at).toFixed(1)) });
  return many(`compare.at.${clock}`, at);
}

/** Winds the clock for these runs; it stays at the moment `at`, or at the end. */
export function wind(store, runs, clock, at, more = {}) {
  const all = moments(runs, clock);
  const longest = runs.reduce((n, run) => Math.max(n, run.length - run.promptLength), 1);
  const run = { moments: all, steps: all.length - 1, offset: 0, length: longest };
  const patch = { run, clock, step: at === null ? run.steps : Math.max(0, stepAt(all, at)), ...more };
  if (store.state.run?.steps !== run.steps && !store.state.live) patch.speed = fittingSpeed(run.steps);
  store.set(patch);
}

/** The same moment on another clock: where the first lane then is. */
export function turn(store, runs, clock) {
  const [first] = runs;
  if (!first) return store.set({ clock });
  const step = stepAt(ticksOf(first, store.state.clock), now(store.state));
  const ended = store.state.step === store.state.run.steps;
  return wind(store, runs, clock, ended ? null : ticksOf(first, clock)[step], { playing: false });
}

/** The bar with the slider; `clocks` is told which clock a person chose. */
export function makeClock(store, choose) {
  const button = (name, label, act) => el("button", { type: "button", className: `dv-button dv-${name}`, "aria-label": label, title: label, onclick: act }, icon(ICONS[name]));
  const play = button("play", say("transport.play"), () => togglePlay(store));
  const slider = el("input", { type: "range", min: 0, max: 1, step: "any", value: 0, className: "dv-slider", "aria-label": say("compare.clock.slider"),
    oninput: () => { const { run } = store.state; if (run) goTo(store, Math.max(0, stepAt(run.moments, Number(slider.value)))); } });
  slider.addEventListener("change", () => { slider.value = now(store.state); });
  const label = el("output", { className: "dv-label cp-now" });
  const speed = el("select", { className: "dv-select", "aria-label": say("compare.speed"), onchange: () => store.set({ speed: Number(speed.value) }) },
    ...SPEEDS.map((rate) => el("option", { value: rate }, many("compare.rate", rate))));
  const radios = CLOCKS.map((name) => el("input", { type: "radio", name: "cp-clock", value: name, checked: name === store.state.clock, onchange: () => choose(name) }));
  const clocks = el("fieldset", { className: "cp-clocks" }, el("legend", {}, say("compare.clock")),
    ...radios.map((radio) => el("label", { title: say(`compare.clock.${radio.value}.means`) }, radio, el("span", {}, say(`compare.clock.${radio.value}`)))));
  const bar = el("div", { className: "dv-transport cp-bar", role: "group", "aria-label": say("compare.clock.label") }, slider,
    el("div", { className: "dv-moves" }, button("first", say("transport.first"), () => goTo(store, 0)), button("back", say("compare.back"), () => goTo(store, store.state.step - 1)), play,
      button("forward", say("compare.forward"), () => goTo(store, store.state.step + 1)), button("last", say("transport.last"), () => goTo(store, store.state.run?.steps ?? 0))),
    label, clocks, el("div", { className: "dv-extras" }, speed));
  store.on((state, changed) => {
    const { run, clock } = state, at = now(state);
    if (!run) return;
    const end = run.moments.at(-1);
    slider.max = end || 1;
    if (!slider.matches(":active")) slider.value = at;
    slider.style.setProperty("--done", `${end ? (100 * at) / end : 0}%`);
    slider.setAttribute("aria-valuetext", shownAt(clock, at));
    label.textContent = shownAt(clock, at);
    speed.value = state.speed;
    for (const radio of radios) radio.checked = radio.value === clock;
    if (!changed.has("playing")) return;
    play.replaceChildren(icon(state.playing ? ICONS.pause : ICONS.play));
    play.title = say(state.playing ? "transport.pause" : "transport.play");
    play.setAttribute("aria-label", play.title);
  });
  return bar;
}

/** The keys of the clock, as those of a single run. */
export function clockKeys(store) {
  return (event) => {
    const { run, step, place } = store.state;
    if (!run || event.ctrlKey || event.metaKey || event.altKey || !event.target.matches(".dv-canvas, .dv-field, .dv-slider")) return;
    const stride = event.shiftKey ? 10 : 1, to = (next) => store.set({ place: Math.max(0, Math.min(run.length - 1, next)), over: null });
    const keys = {
      ArrowRight: () => goTo(store, step + stride), ArrowLeft: () => goTo(store, step - stride), Home: () => goTo(store, 0), End: () => goTo(store, run.steps),
      ArrowDown: () => to((place ?? -1) + stride), ArrowUp: () => to((place ?? 1) - stride), " ": () => togglePlay(store), "[": () => changeSpeed(store, -1), "]": () => changeSpeed(store, 1),
      n: () => store.set({ order: !store.state.order }), s: () => store.set({ spaces: !store.state.spaces }),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
}
