// The transport bar: where one is in the run, and the buttons that move.

import { el, icon } from "./dom.js";
import { SPEEDS, changeSpeed, followLive, goTo, togglePlay } from "./store.js";
import { sentence } from "./tokens.js";

const ICONS = {
  first: "M6 5h2v14H6zM20 5v14L9 12z", back: "M17 5v14L6 12z", play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z", forward: "M7 5v14l11-7z", last: "M16 5h2v14h-2zM4 5v14l11-7z",
};

const KEYS = [
  ["Space", "play or pause"], ["← →", "one step back or forward"], ["Shift ← →", "ten steps"],
  ["Home End", "first or last step"], ["↑ ↓", "position before or after"], ["[ ]", "slower or faster"],
  ["n", "reveal order on or off"], ["s", "spaces on or off"], ["f", "follow live decoding"],
  ["p", "pin the token"], ["m Delete", "mask it again"], ["Enter", "write another token"], ["o", "ask the other samplers"],
  ["Shift ↑ ↓", "select positions"], ["Esc", "clear the selection"], ["?", "this list"],
];

export function makeTransport(store) {
  const button = (name, label, act) =>
    el("button", { type: "button", className: `dv-button dv-${name}`, "aria-label": label, title: label, onclick: act }, icon(ICONS[name]));
  const play = button("play", "Play", () => togglePlay(store));
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, className: "dv-slider", "aria-label": "Step",
    oninput: (event) => goTo(store, Number(event.target.value)) });
  const label = el("output", { className: "dv-label" });
  const speed = el("select", { className: "dv-select", "aria-label": "Speed in steps a second",
    onchange: (event) => store.set({ speed: Number(event.target.value) }) },
    ...SPEEDS.map((s) => el("option", { value: s }, `${s} step${s > 1 ? "s" : ""}/s`)));
  const jump = el("button", { type: "button", className: "dv-jump", hidden: true, onclick: () => followLive(store) }, "Jump to live");
  const live = el("p", { className: "dv-unseen", "aria-live": "polite" });
  const help = makeHelp();
  const ask = el("button", { type: "button", className: "dv-button dv-help", "aria-label": "Keys", title: "Keys (?)", onclick: () => help.showModal() }, "?");
  const bar = el("div", { className: "dv-transport", role: "group", "aria-label": "Transport" },
    slider, el("div", { className: "dv-moves" },
      button("first", "First step", () => goTo(store, 0)),
      button("back", "One step back", () => goTo(store, store.state.step - 1)), play,
      button("forward", "One step forward", () => goTo(store, store.state.step + 1)),
      button("last", "Last step", () => goTo(store, store.state.run?.steps ?? 0))),
    label, jump, el("div", { className: "dv-extras" }, speed, ask), live, help);

  let timer = 0;
  function announce(state) {
    clearTimeout(timer);
    if (state.playing || state.live) return;
    timer = setTimeout(() => { live.textContent = sentence(state.run, state.step); }, 150);
  }

  store.on((state, changed) => {
    const { run, step } = state;
    if (!run) return;
    slider.max = run.steps;
    slider.value = step;
    slider.style.setProperty("--done", `${run.steps ? (100 * step) / run.steps : 0}%`);
    slider.setAttribute("aria-valuetext", `step ${step} of ${run.steps}`);
    label.textContent = `Step ${step} of ${run.steps}${state.live ? "+" : ""}`;
    speed.value = state.speed;
    jump.hidden = !state.live || state.follow;
    if (changed.has("playing")) {
      play.replaceChildren(icon(state.playing ? ICONS.pause : ICONS.play));
      play.title = state.playing ? "Pause" : "Play";
      play.setAttribute("aria-label", play.title);
    }
    if (["step", "run", "playing", "live"].some((key) => changed.has(key))) announce(state);
  });

  const keys = {
    " ": () => togglePlay(store), "[": () => changeSpeed(store, -1), "]": () => changeSpeed(store, 1),
    f: () => { if (store.state.live) store.state.follow ? store.set({ follow: false }) : followLive(store); },
    n: () => store.set({ order: !store.state.order }), s: () => store.set({ spaces: !store.state.spaces }),
    "?": () => help.showModal(),
  };
  return { bar, keys };
}

function makeHelp() {
  const rows = KEYS.map(([key, what]) => el("div", {}, el("dt", {}, ...key.split(" ").map((k) => el("kbd", {}, k))), el("dd", {}, what)));
  const dialog = el("dialog", { className: "dv-dialog", "aria-label": "Keys" },
    el("h3", {}, "Keys"), el("p", {}, "They work while the tokens have the focus: click one, or press Tab."),
    el("dl", {}, ...rows),
    el("button", { type: "button", className: "dv-jump", onclick: () => dialog.close() }, "Close"));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}
