// The transport bar: where one is in the run, and the buttons that move.

import { el, icon } from "./dom.js";
import { many, say } from "./say.js";
import { SPEEDS, changeSpeed, followLive, goTo, togglePlay } from "./store.js";
import { sentence } from "./tokens.js";

export const ICONS = {
  first: "M6 5h2v14H6zM20 5v14L9 12z", back: "M17 5v14L6 12z", play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z", forward: "M7 5v14l11-7z", last: "M16 5h2v14h-2zM4 5v14l11-7z",
};

const KEYS = [
  ["Space", "play"], ["← →", "step"], ["Shift ← →", "ten"], ["Home End", "ends"], ["↑ ↓", "position"], ["[ ]", "speed"],
  ["n", "order"], ["s", "spaces"], ["f", "follow"], ["p", "pin"], ["m Delete", "remask"], ["Enter", "replace"], ["o", "others"],
  ["Shift ↑ ↓", "select"], ["Escape", "clear"], ["?", "list"],
]; // keys, and which words say what they do
const NAMED = ["Space", "Shift", "Home", "End", "Delete", "Enter", "Escape"];

/** What stands on a key. */
export const keyName = (key) => (NAMED.includes(key) ? say(`key.${key}`) : key);

export function makeTransport(store) {
  const button = (name, label, act) =>
    el("button", { type: "button", className: `dv-button dv-${name}`, "aria-label": label, title: label, onclick: act }, icon(ICONS[name]));
  const play = button("play", say("transport.play"), () => togglePlay(store));
  const slider = el("input", { type: "range", min: 0, max: 0, value: 0, className: "dv-slider", "aria-label": say("transport.step"),
    oninput: (event) => goTo(store, Number(event.target.value)) });
  const label = el("output", { className: "dv-label" });
  const speed = el("select", { className: "dv-select", "aria-label": say("transport.speed"),
    onchange: (event) => store.set({ speed: Number(event.target.value) }) },
    ...SPEEDS.map((s) => el("option", { value: s }, many("transport.rate", s))));
  const jump = el("button", { type: "button", className: "dv-jump", hidden: true, onclick: () => followLive(store) }, say("transport.live"));
  const live = el("p", { className: "dv-unseen", "aria-live": "polite" });
  const help = makeHelp();
  const ask = el("button", { type: "button", className: "dv-button dv-help", "aria-label": say("keys"), title: say("keys.title"), onclick: () => help.showModal() }, "?");
  const bar = el("div", { className: "dv-transport", role: "group", "aria-label": say("transport.label") },
    slider, el("div", { className: "dv-moves" },
      button("first", say("transport.first"), () => goTo(store, 0)),
      button("back", say("transport.back"), () => goTo(store, store.state.step - 1)), play,
      button("forward", say("transport.forward"), () => goTo(store, store.state.step + 1)),
      button("last", say("transport.last"), () => goTo(store, store.state.run?.steps ?? 0))),
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
    slider.setAttribute("aria-valuetext", say("run.at", { step, steps: run.steps }));
    label.textContent = say("run.At", { step, steps: `${run.steps}${state.live ? "+" : ""}` });
    speed.value = state.speed;
    jump.hidden = !state.live || state.follow;
    if (changed.has("playing")) {
      play.replaceChildren(icon(state.playing ? ICONS.pause : ICONS.play));
      play.title = say(state.playing ? "transport.pause" : "transport.play");
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
  const rows = KEYS.map(([key, what]) => el("div", {}, el("dt", {}, ...key.split(" ").map((k) => el("kbd", {}, keyName(k)))), el("dd", {}, say(`keys.${what}`))));
  const dialog = el("dialog", { className: "dv-dialog", "aria-label": say("keys") },
    el("h3", {}, say("keys")), el("p", {}, say("keys.where")),
    el("dl", {}, ...rows),
    el("button", { type: "button", className: "dv-jump", onclick: () => dialog.close() }, say("close")));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}
