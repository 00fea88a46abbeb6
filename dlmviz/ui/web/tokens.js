// The token canvas: the prompt, dim, then one cell a position. Flows and wraps like text.
// Every cell keeps the room of the token it ends with, so nothing moves while one scrubs.

import { el, shown, named } from "./dom.js";
import { CIVIDIS, bin } from "./palette.js";
import { choose, goTo } from "./store.js";

const LIGHT_FROM = 5; // bins from here on carry black text: contrast 4.9:1 or better
const MARKS = /^[.,:;!?)\]"'”’%]+$/;
const MASK = "░".repeat(16); // clipped to the room of its cell

export function makeTokens(store) {
  const prompt = el("div", { className: "dv-prompt", role: "note", "aria-label": "What the model was asked" });
  const canvas = el("div", {
    className: "dv-canvas", tabIndex: 0, role: "listbox", "aria-orientation": "horizontal",
    "aria-label": "Generated tokens. Left and Right change the step, Up and Down the position.",
  });
  const cells = new Map();
  let drawn = null;

  function cell(run, pos) {
    const ghost = el("span", { className: "dv-ghost", "aria-hidden": "true" });
    const ink = el("span", { className: "dv-ink", dir: "auto" });
    const box = el("span", { className: "dv-cell" }, ghost, ink);
    const node = el("span", { className: "dv-token", role: "option", id: `dv-token-${pos}`, "data-pos": pos }, box);
    node.setAttribute("aria-selected", "false");
    cells.set(pos, { node, box, ghost, ink, key: "" });
    return node;
  }

  function build(run) {
    cells.clear();
    const given = run.states[0].slice(0, run.offset);
    prompt.replaceChildren(...Array.from(given, (token) => promptToken(run, token)));
    const nodes = [];
    for (let pos = run.offset; pos < run.length; pos++) {
      const inBlock = pos - run.promptLength;
      if (inBlock > 0 && inBlock % run.spec.block_length === 0) nodes.push(divider(run.blockIndex(pos)));
      nodes.push(cell(run, pos));
    }
    canvas.replaceChildren(...nodes);
    for (const pos of cells.keys()) reserve(run, pos);
  }

  /** Gives a cell the room, the word gap and the line break of the token it ends with. */
  function reserve(run, pos) {
    const { node, ghost } = cells.get(pos);
    const last = run.states.at(-1)[pos];
    if (last === run.maskId) { ghost.textContent = "░░"; return; }
    const look = shown(run.piece(last), last === run.eosId);
    ghost.textContent = look.text;
    const before = cells.get(pos - 1);
    before?.node.classList.toggle("dv-gap", look.gap);
    before?.node.classList.toggle("dv-sticks", sticks(before.ghost.textContent, look));
    node.classList.toggle("dv-breaks", look.breaks);
    node.dataset.kind = look.kind;
  }

  function paint(run, step, pos, first, end, order, spaces) {
    const token = run.states[step][pos];
    const masked = token === run.maskId;
    const now = run.since[step][pos] === step && step > 0;
    const active = pos >= first && pos < end;
    const sure = run.sureness[step][pos];
    const key = `${token} ${now} ${masked && active} ${sure} ${order && run.since[step][pos]} ${spaces}`;
    const c = cells.get(pos);
    if (c.key === key) return;
    c.key = key;
    const look = shown(run.piece(token), token === run.eosId);
    c.ink.textContent = masked ? MASK : (spaces && look.gap ? "␣" : "") + look.text;
    c.node.classList.toggle("dv-masked", masked);
    c.node.classList.toggle("dv-active", masked && active);
    c.node.classList.toggle("dv-new", now && !masked);
    c.node.classList.toggle("dv-back", now && masked);
    c.node.classList.toggle("dv-given", !run.open(pos));
    const tint = masked || Number.isNaN(sure) ? null : bin(sure);
    const quiet = token === run.eosId && !masked; // padding: a whole page of it must not outshine the answer
    c.box.style.background = tint === null ? "" : quiet ? `color-mix(in srgb, ${CIVIDIS[tint]} 30%, var(--dv-paper))` : CIVIDIS[tint];
    c.box.style.color = tint === null || quiet ? "" : tint >= LIGHT_FROM ? "#000" : "#fff";
    c.box.classList.toggle("dv-padding", quiet);
    c.box.dataset.order = order && !masked && run.since[step][pos] ? run.since[step][pos] : "";
  }

  function point(state, changed) {
    if (!["pos", "hover", "run"].some((key) => changed.has(key))) return;
    canvas.querySelectorAll(".dv-chosen, .dv-hover").forEach((n) => n.classList.remove("dv-chosen", "dv-hover"));
    canvas.querySelectorAll("[aria-selected=true]").forEach((n) => n.setAttribute("aria-selected", "false"));
    cells.get(state.hover?.pos)?.node.classList.add("dv-hover");
    const chosen = cells.get(state.pos)?.node;
    if (!chosen) return canvas.removeAttribute("aria-activedescendant");
    chosen.classList.add("dv-chosen");
    chosen.setAttribute("aria-selected", "true");
    canvas.setAttribute("aria-activedescendant", chosen.id);
  }

  store.on((state, changed) => {
    const { run, step, order, spaces } = state;
    if (!run) return;
    if (run !== drawn) { build(run); drawn = run; }
    else if (changed.has("grown")) for (const pos of state.grown) reserve(run, pos);
    if (["run", "step", "order", "spaces", "grown"].some((key) => changed.has(key))) {
      const [first, end] = run.block(step);
      for (const pos of cells.keys()) paint(run, step, pos, first, end, order, spaces);
      canvas.dataset.step = step;
      canvas.dataset.steps = run.steps;
    }
    point(state, changed);
  });

  const at = (event) => Number(event.target.closest?.(".dv-token")?.dataset.pos ?? NaN);
  canvas.addEventListener("pointerover", (event) => {
    const pos = at(event);
    store.set({ hover: Number.isNaN(pos) ? null : { pos } });
  });
  canvas.addEventListener("pointerleave", () => store.set({ hover: null }));
  canvas.addEventListener("click", (event) => {
    if (!Number.isNaN(at(event))) choose(store, at(event));
  });
  return { prompt, canvas };
}

/** Whether no line may end before this token: a mark after a word, a newline after anything. */
const sticks = (before, look) => look.breaks || (!look.gap && MARKS.test(look.text) && !MARKS.test(before));

function promptToken(run, token) {
  const piece = run.piece(token);
  const look = shown(piece, token === run.eosId);
  if (look.kind !== "word") return el("span", { className: "dv-tag" }, look.text);
  return el("span", { className: "dv-word" }, piece);
}

function divider(index) {
  return el("span", { className: "dv-divider", role: "presentation", title: `block ${index + 1} begins`, "data-block": index + 1 });
}

/** The scale of the cells, with numbers. */
export function makeScale() {
  const bins = CIVIDIS.map((colour) => el("i", { style: `background:${colour}` }));
  return el("div", { className: "dv-scale", role: "img", "aria-label": "Colour of a token: the model's confidence when it was written, dark blue is 0 percent, yellow is 100 percent" },
    el("span", {}, "confidence 0"), el("span", { className: "dv-bins" }, ...bins), el("span", {}, "100 %"));
}

/** "step 12 of 64, 3 new tokens: a, b, c"; what repeats is said once, with a count. */
export function sentence(run, step) {
  if (step === 0) return `step 0 of ${run.steps}, every answer token is masked`;
  const { tokens, remasked } = run.records[step - 1];
  const runs = [];
  for (const token of tokens) {
    if (runs.at(-1)?.token === token) runs.at(-1).count++;
    else runs.push({ token, count: 1 });
  }
  const words = runs.map(({ token, count }) => (token === run.eosId ? "eos" : named(run.piece(token)).replace(/^␣(?=.)/, "")) + (count > 1 ? ` × ${count}` : ""));
  const some = words.slice(0, 8).join(", ") + (words.length > 8 ? ", …" : "");
  const back = remasked.length ? `, ${remasked.length} taken back` : "";
  return `step ${step} of ${run.steps}, ${tokens.length} new token${tokens.length === 1 ? "" : "s"}${some ? `: ${some}` : ""}${back}`;
}

/** Keys of the canvas (ux: active while the focus is in it). */
export function canvasKeys(store, actions) {
  return (event) => {
    const { step, pos, run } = store.state;
    if (!run || event.ctrlKey || event.metaKey || event.altKey) return;
    const stride = event.shiftKey ? 10 : 1;
    const keys = {
      ArrowRight: () => goTo(store, step + stride),
      ArrowLeft: () => goTo(store, step - stride),
      ArrowDown: () => choose(store, (pos ?? run.offset - 1) + stride),
      ArrowUp: () => choose(store, (pos ?? run.offset + 1) - stride),
      Home: () => goTo(store, 0),
      End: () => goTo(store, run.steps),
      ...actions,
    };
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  };
}

