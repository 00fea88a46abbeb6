// The token canvas: the prompt, dim, then one cell a position. Flows and wraps like text.
// Every cell keeps the room of the token it ends with, so nothing moves while one scrubs.

import { el, icon, shown, named } from "./dom.js";
import { CIVIDIS, bin } from "./palette.js";
import { pieceOf, placeOf } from "./pieces.js";
import { makeRoom } from "./room.js";
import { many, say } from "./say.js";
import { choose, goTo } from "./store.js";

export const LIGHT_FROM = 5; // bins from here on carry black text: contrast 4.9:1 or better
const MARKS = /^[.,:;!?)\]"'”’%]+$/;
const MASK = "░".repeat(16); // clipped to the room of its cell
const GLYPHS = {
  pin: ["M9 3h6v2l-1 1v5l3 3v2h-4v5l-1 1-1-1v-5H7v-2l3-3V6L9 5z", say("tokens.pinned")],
  replace: ["M4 16.5V20h3.5L18 9.5 14.5 6zM15.6 4.9l3.5 3.5 1.4-1.4a1.2 1.2 0 0 0 0-1.7l-1.8-1.8a1.2 1.2 0 0 0-1.7 0z", say("tokens.replaced")],
  remask: ["M9 5L4 10l5 5v-3.5h5a3.5 3.5 0 0 1 0 7H9V21h5a6 6 0 0 0 0-12H9z", say("taken.back")],
};
const MARKED = [ // class, signal of the step, its value, in words
  ["dv-slow", "slow", 1, say("tokens.slow")],
  ["dv-fast", "slow", 0, say("tokens.fast")],
  ["dv-in-set", "independent", 1, say("tokens.set")],
];

/** The prompt and the canvas of a store's run; `prefix` begins the ids of its tokens. */
export function makeTokens(store, prefix = "dv-token") {
  const prompt = el("div", { className: "dv-prompt", role: "note", "aria-label": say("tokens.prompt") });
  const canvas = el("div", {
    className: "dv-canvas", tabIndex: 0, role: "listbox", "aria-orientation": "horizontal",
    "aria-label": say("tokens.canvas"),
  });
  const cells = new Map(), fit = makeRoom(canvas, cells);
  let drawn = null;

  function cell(run, pos) {
    const ghost = el("span", { className: "dv-ghost", "aria-hidden": "true" });
    const ink = el("span", { className: "dv-ink", dir: "auto" });
    const mark = el("span", { className: "dv-mark", "aria-hidden": "true" });
    const box = el("span", { className: "dv-cell" }, ghost, ink, mark);
    const node = el("span", { className: "dv-token", role: "option", id: `${prefix}-${pos}`, "data-pos": pos }, box);
    node.setAttribute("aria-selected", "false");
    const may = el("span", { className: "dv-may", "aria-hidden": "true" }, "\u200B"); // where a line may end
    cells.set(pos, { node, box, ghost, ink, mark, may, key: "", text: "" });
    return [node, may];
  }

  function build(run) {
    cells.clear();
    const given = run.states[0].slice(0, run.offset);
    prompt.replaceChildren(...Array.from(given, (token) => promptToken(run, token)));
    const nodes = [], piece = pieceOf(run.spec);
    for (let pos = run.offset; pos < run.length; pos++) {
      const inBlock = pos - run.promptLength;
      if (inBlock > 0 && inBlock % run.spec.block_length === 0) nodes.push(divider(run.blockIndex(pos)));
      nodes.push(...cell(run, pos));
      if (piece) cells.get(pos).node.classList.add(...placeOf(run, pos, piece));
    }
    canvas.replaceChildren(...nodes);
    grow(run, cells.keys());
  }

  function grow(run, positions) {
    const some = Array.from(positions).filter((pos) => cells.has(pos));
    for (const pos of some) reserve(run, pos);
    fit(some.map((pos) => cells.get(pos)));
  }

  /** Gives a cell the room of every token it ever holds, and the word gap and the line break of the
   * one it ends with. The lines of the ghost lie behind each other: the longest makes the room. */
  function reserve(run, pos) {
    const { node, ghost, may } = cells.get(pos);
    const last = run.states.at(-1)[pos], held = everAt(run, pos);
    ghost.textContent = held.length ? held.map((token) => shown(run.piece(token), token === run.eosId).text).join("\n") : "░░";
    if (last === run.maskId) return;
    const look = shown(run.piece(last), last === run.eosId);
    const before = cells.get(pos - 1);
    cells.get(pos).text = look.text;
    before?.node.classList.toggle("dv-gap", look.gap);
    before?.may.classList.toggle("dv-sticks", sticks(before.text, look));
    may.classList.toggle("dv-breaks", look.breaks);
    may.textContent = look.breaks ? "\n" : "\u200B";
    node.dataset.kind = look.kind;
  }

  function paint(state, pos, first, end) {
    const { run, step, order, spaces } = state;
    const edit = state.edits?.get(pos);
    const token = edit?.kind === "remask" ? run.maskId : edit?.token ?? run.states[step][pos];
    const masked = token === run.maskId;
    const now = run.since[step][pos] === step && step > 0;
    const back = masked && run.since[step][pos] > 0; // was written, and is masked again
    const active = pos >= first && pos < end;
    const sure = edit ? NaN : run.sureness[step][pos];
    const marks = MARKED.filter(([, signal, value]) => run.signals.has(signal) && run.value(signal, step, pos) === value);
    const glyph = edit?.kind ?? (back ? "remask" : "");
    const asked = state.asked?.step === step && Boolean(state.asked.sets?.get?.(state.asked.shown)?.has(pos));
    const key = `${token} ${now} ${masked && active} ${sure} ${order && run.since[step][pos]} ${spaces} ${marks.map(([name]) => name)} ${glyph} ${Boolean(edit)} ${asked}`;
    const c = cells.get(pos);
    if (c.key === key) return;
    c.key = key;
    mark(c, marks, glyph, Boolean(edit));
    c.node.classList.toggle("dv-asked", asked);
    const look = shown(run.piece(token), token === run.eosId);
    c.ink.textContent = masked ? MASK : (spaces && look.gap ? "␣" : "") + look.text;
    if (masked) c.node.setAttribute("aria-label", say("masked")); // not sixteen blocks, read one by one
    else c.node.removeAttribute("aria-label");
    c.node.classList.toggle("dv-masked", masked);
    c.node.classList.toggle("dv-active", masked && active);
    c.node.classList.toggle("dv-new", now && !masked);
    c.node.classList.toggle("dv-back", back && !edit);
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
    const { run, step } = state;
    if (!run) return;
    if (run !== drawn) { build(run); drawn = run; }
    else if (changed.has("grown")) grow(run, state.grown);
    if (["run", "step", "order", "spaces", "grown", "edits", "asked"].some((key) => changed.has(key))) {
      const [first, end] = run.block(step);
      for (const pos of cells.keys()) paint(state, pos, first, end);
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

/** Puts the marks of a step on a cell: bars, ring, glyph, and their words as a tooltip. */
function mark(c, marks, glyph, edited) {
  c.mark.className = ["dv-mark", ...marks.map(([name]) => name)].join(" ");
  c.node.classList.toggle("dv-edited", edited);
  if (c.glyph !== glyph) { c.mark.replaceChildren(...(glyph ? [badge(glyph)] : [])); c.glyph = glyph; }
  c.mark.classList.toggle("dv-hand", edited);
  const words = [...marks.map(([, , , text]) => text), ...(glyph ? [edited ? say("tokens.by_hand", { what: GLYPHS[glyph][1] }) : GLYPHS[glyph][1]] : [])];
  if (words.length) c.node.title = words.join("; ");
  else c.node.removeAttribute("title");
}

export const badge = (glyph) => el("span", { className: `dv-badge-of dv-is-${glyph}` }, icon(GLYPHS[glyph][0]));

/** Tokens that ever stood at a position the model may write, each once. */
export function everAt(run, pos) {
  const held = new Set();
  for (let step = 0; step <= run.steps; step++)
    if (run.since[step][pos] === step && !run.masked(step, pos)) held.add(run.states[step][pos]);
  return [...held];
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
  return el("span", { className: "dv-divider", role: "presentation", title: say("tokens.block", { n: index + 1 }), "data-block": index + 1 });
}

/** "step 12 of 64, 3 new tokens: a, b, c"; what repeats is said once, with a count. */
export function sentence(run, step) {
  if (step === 0) return say("tokens.start", { steps: run.steps });
  const { tokens, remasked } = run.records[step - 1];
  const runs = [];
  for (const token of tokens) {
    if (runs.at(-1)?.token === token) runs.at(-1).count++;
    else runs.push({ token, count: 1 });
  }
  const words = runs.map(({ token, count }) => (token === run.eosId ? "eos" : named(run.piece(token)).replace(/^␣(?=.)/, "")) + (count > 1 ? ` × ${count}` : ""));
  const some = words.slice(0, 8).join(", ") + (words.length > 8 ? ", …" : "");
  const back = remasked.length ? `, ${say("tokens.back", { n: remasked.length })}` : "";
  return `${many("tokens.said", tokens.length, { step, steps: run.steps })}${some ? `: ${some}` : ""}${back}`;
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

