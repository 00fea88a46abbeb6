// Presenter mode: for a class that looks at a wall. Large tokens, nothing beside them, keys in sight.

import { el } from "./dom.js";
import { say } from "./say.js";

const NAMES = { " ": say("key.Space"), ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: say("key.Escape") };
const MODIFIERS = ["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Dead"];
const LINGER = 1600; // ms that a pressed key stays in sight
const MOST = 4;

/** Whether a key belongs to what is typed into, not to us. */
const typed = ({ target }) => target.closest?.("input:not([type=range]), textarea, select, [contenteditable=true]");

/** The Presenter button. Shift+P does the same anywhere outside a text field; Esc leaves. */
export function makePresenter() {
  const keys = el("div", { className: "dv-pressed", "aria-hidden": "true" });
  const button = el("button", { type: "button", className: "dv-toggle dv-presenter", "aria-pressed": "false",
    title: say("present.title"), onclick: () => present(!on()) }, say("present"));
  const on = () => document.body.classList.contains("dv-presenting");
  let before = null;

  function present(wanted) {
    if (wanted === on()) return;
    if (wanted) before = document.activeElement;
    // Without fading: what fades in is hidden at first, and a hidden element loses the focus.
    document.body.classList.add("dv-at-once");
    document.body.classList.toggle("dv-presenting", wanted);
    document.body.getBoundingClientRect();
    document.body.classList.remove("dv-at-once");
    button.setAttribute("aria-pressed", String(wanted));
    keys.replaceChildren();
    const canvas = button.closest(".dv-watch").querySelector(".dv-canvas");
    if (wanted) canvas.focus({ preventScroll: true });
    else (before?.isConnected && before !== document.body ? before : button).focus();
  }

  function show(event) {
    if (MODIFIERS.includes(event.key)) return;
    const name = NAMES[event.key] ?? event.key;
    const shifted = event.shiftKey && (event.key in NAMES || /^[A-Z]$/.test(name));
    const chip = el("kbd", {}, shifted ? `⇧ ${name}` : name);
    keys.append(chip);
    while (keys.children.length > MOST) keys.firstChild.remove();
    setTimeout(() => chip.remove(), LINGER);
  }

  // Captured, so that a key is seen whoever else takes it.
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typed(event)) return;
    const dialog = document.querySelector("dialog[open]");
    if (event.key === "P" && !dialog) {
      event.preventDefault();
      present(!on());
    } else if (event.key === "Escape" && on() && !dialog) {
      event.stopPropagation();
      present(false);
    }
    if (on()) show(event);
  }, true);
  return el("span", {}, button, keys);
}
