// A span of positions: brushed on the map or chosen with keys, underlined, and counted.

import { el, named, shown } from "./dom.js";
import { percent } from "./palette.js";
import { say } from "./say.js";
import { choose } from "./store.js";

const FAR = 5; // px that a pointer travels before a click becomes a drag

/** Selects positions from..to, in either order; null selects nothing. */
export function select(store, ends) {
  const { run, selection } = store.state;
  const inside = (pos) => Math.max(run.offset, Math.min(run.length - 1, pos));
  const next = run && ends && [inside(Math.min(...ends)), inside(Math.max(...ends))];
  if (next?.join() !== selection?.join()) store.set({ selection: next ?? null });
}

/** Lets a pointer drag over `field`; `column(x)` is the position under it. Answers whether one does. */
export function brush(store, field, column) {
  let start = null, moved = false;
  const end = () => {
    if (start === null) return;
    start = null;
    field.closest(".dv-root")?.querySelector(".dv-canvas").focus({ preventScroll: true }); // for its keys
  };
  field.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !store.state.run) return;
    start = event.offsetX;
    moved = false;
  });
  field.addEventListener("pointermove", (event) => {
    if (start === null || (!moved && Math.abs(event.offsetX - start) < FAR)) return;
    if (!moved) field.setPointerCapture(event.pointerId);
    moved = true;
    select(store, [column(start), column(event.offsetX)]);
  });
  field.addEventListener("pointerup", end);
  field.addEventListener("pointercancel", end);
  field.addEventListener("click", (event) => {
    if (moved) event.stopImmediatePropagation(); // the end of a drag goes nowhere
    moved = false;
  });
  return () => start !== null && moved;
}

/** Shift with Up or Down on the tokens extends the selection by one position. */
export function selectionKeys(store) {
  return (event) => {
    const by = event.shiftKey ? { ArrowDown: 1, ArrowUp: -1 }[event.key] : undefined;
    const { run, pos, selection } = store.state;
    if (!run || by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const at = pos ?? run.offset;
    const anchor = selection?.includes(at) ? selection[0] + selection[1] - at : at;
    choose(store, at + by);
    select(store, [anchor, store.state.pos]);
  };
}

/** What can be counted of positions from..to after a step. Confidence is that of the moment of
 * writing; given tokens and masks have none. */
export function statistics(run, step, [from, to]) {
  const steps = new Set(), sure = [];
  let decided = 0, given = 0;
  for (let pos = from; pos <= to; pos++) {
    if (!run.open(pos)) given++;
    if (!run.open(pos) || run.masked(step, pos)) continue;
    decided++;
    steps.add(run.since[step][pos]);
    if (!Number.isNaN(run.sureness[step][pos])) sure.push(run.sureness[step][pos]);
  }
  const mean = sure.length ? sure.reduce((sum, value) => sum + value, 0) / sure.length : null;
  return { count: to - from + 1, given, decided, mean, steps: steps.size, first: Math.min(...steps), last: Math.max(...steps), text: textOf(run, step, from, to) };
}

/** The tokens as text, a block for every mask. */
function textOf(run, step, from, to) {
  let text = "";
  for (let pos = from; pos <= to; pos++) {
    const token = run.states[step][pos];
    const look = shown(run.piece(token), token === run.eosId);
    text += token === run.maskId ? "░" : look.kind === "word" ? run.piece(token) : `⟨${look.text}⟩`;
  }
  return text.replace(/(⟨eos⟩)+/g, (many) => (many.length > 10 ? ` ⟨eos⟩ × ${many.length / 5} ` : many)).trimStart();
}

/** The panel of the selection; hidden while there is none. */
export function makeSelection(store) {
  const title = el("h3", { "aria-live": "polite" });
  const facts = el("dl", { className: "dv-facts" });
  const text = el("p", { className: "dv-text dv-span", dir: "auto" });
  const body = el("tbody");
  const table = el("div", { className: "dv-table", tabIndex: 0, role: "region", "aria-label": say("selection.positions") },
    el("table", {}, el("caption", { className: "dv-unseen" }, say("selection.positions")),
      el("thead", {}, el("tr", {}, ...["position", "token", "selection.written_at", "confidence"].map((t) => el("th", { scope: "col" }, say(t))))), body));
  const clear = el("button", { type: "button", className: "dv-toggle", title: say("selection.clear"), onclick: () => select(store, null) }, say("clear"));
  const details = el("details", { className: "dv-twin" }, el("summary", {}, say("show.table")), table);
  const panel = el("section", { className: "dv-panel dv-selection", "aria-label": say("selection"), hidden: true },
    el("header", {}, title, clear), facts, text, details);
  const fill = ({ run, step, selection }) => body.replaceChildren(...rows(run, step, selection));
  details.addEventListener("toggle", () => { if (details.open && store.state.selection) fill(store.state); });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    if (event.key === "Escape" && !typing && store.state.selection) select(store, null);
  });

  store.on((state, changed) => {
    if (changed.has("run") && !changed.has("selection") && state.selection) return select(store, null); // of another run
    if (changed.has("run") || changed.has("selection")) underline(state.selection);
    const { run, step, selection } = state;
    panel.hidden = !run || !selection;
    if (panel.hidden || !["selection", "step", "run", "grown"].some((key) => changed.has(key))) return;
    const words = selection[0] === selection[1] ? say("selection.one", { at: selection[0] }) : say("selection.many", { from: selection[0], to: selection[1] });
    if (title.textContent !== words) title.textContent = words;
    const found = statistics(run, step, selection);
    facts.replaceChildren(...describe(found));
    text.textContent = found.text;
    if (details.open) fill(state);
  });
  return panel;
}

function describe({ count, given, decided, mean, steps, first, last }) {
  const when = !steps ? say("selection.none") : first === last ? say("metric.step", { x: first }) : say("selection.steps", { first, last });
  const pairs = [
    ["count", String(count)],
    ["decided", say("selection.decided.of", { n: decided, of: count - given })],
    ["written", when],
    ["different", String(steps)],
    ["mean", percent(mean)],
  ];
  return pairs.map(([name, value]) => el("div", {}, el("dt", {}, say(`selection.${name}`)), el("dd", {}, value)));
}

function rows(run, step, [from, to]) {
  const out = [];
  for (let pos = from; pos <= to; pos++) {
    const token = run.states[step][pos], masked = run.masked(step, pos), open = run.open(pos);
    out.push(el("tr", {}, el("th", { scope: "row" }, String(pos)), el("td", { dir: "auto" }, masked ? say("masked") : named(run.piece(token))),
      el("td", {}, !open ? say("selection.given") : masked ? "–" : say("metric.step", { x: run.since[step][pos] })),
      el("td", {}, masked || !open ? "–" : percent(run.sureness[step][pos]))));
  }
  return out;
}

/** Marks the tokens of the selection; the class is kept off the token canvas's own drawing. */
function underline(selection) {
  for (const node of document.querySelectorAll(".dv-token.dv-brushed, .dv-token.dv-brushed-end")) node.classList.remove("dv-brushed", "dv-brushed-end");
  for (let pos = selection?.[0]; pos <= selection?.[1]; pos++)
    document.querySelector(`#dv-token-${pos}`)?.classList.add("dv-brushed", ...(pos === selection[1] ? ["dv-brushed-end"] : []));
}
