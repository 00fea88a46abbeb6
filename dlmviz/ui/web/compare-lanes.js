// The lanes side by side: the tokens of each at the moment of the clock, and how they differ from the
// first lane's. Each lane has a store of its own, which the clock moves.

import { now, shownAt } from "./compare-clock.js";
import { named } from "./compare-form.js";
import { kinds, pairOf, stepAt, ticksOf } from "./compare-kinds.js";
import { el } from "./dom.js";
import { makeScale } from "./legend.js";
import { makeAnswer } from "./numbers.js";
import { many, say } from "./say.js";
import { makeStore } from "./store.js";
import { makeTokens } from "./tokens.js";

export const DIFFERENT = ["same", "order", "token", "only_a", "only_b", "lone"];

/** The panel of all lanes; `bar` is the clock's. */
export function makeStage(page, bar) {
  const prompt = el("p", { className: "dv-prompt cp-prompt", dir: "auto" });
  const lanes = el("div", { className: "cp-grid" });
  const toggles = ["order", "spaces"].map((key) => {
    const button = el("button", { type: "button", className: "dv-toggle", title: say(`main.${key}.title`), "aria-pressed": "false", onclick: () => page.store.set({ [key]: !page.store.state[key] }) }, say(`main.${key}`));
    page.store.on((state) => button.setAttribute("aria-pressed", String(state[key])));
    return button;
  });
  const mark = el("p", { className: "dv-legend cp-legend" }, el("span", {}, el("i", { className: "dv-swatch", "aria-hidden": "true" }, el("span", { className: "dv-mark dv-fresh" })), say("tokens.new")),
    el("span", {}, el("i", { className: "dv-swatch cp-unlike", "aria-hidden": "true" }), say("compare.kind.token")));
  const node = el("section", { className: "dv-panel dv-watch cp-stage", "aria-label": say("compare.stage") }, prompt, lanes,
    el("footer", {}, makeScale(), mark, el("span", { className: "dv-toggles" }, ...toggles)), bar);
  const views = new Map(); // key of a lane -> its panel
  return {
    node,
    draw: () => {
      const first = page.lanes[0];
      const prompts = new Set(page.lanes.map(({ run }) => run?.spec.prompt).filter(Boolean));
      prompt.textContent = prompts.size === 1 ? [...prompts][0] : "";
      prompt.hidden = prompts.size !== 1;
      for (const key of views.keys()) if (!page.lanes.some((lane) => lane.key === key)) views.delete(key);
      for (const lane of page.lanes) {
        if (!views.has(lane.key)) views.set(lane.key, makeLane(page, lane));
        views.get(lane.key).draw(lane === first, prompts.size > 1);
      }
      const nodes = page.lanes.map(({ key }) => views.get(key).node);
      if (nodes.some((one, i) => lanes.children[i] !== one) || lanes.children.length !== nodes.length) lanes.replaceChildren(...nodes);
    },
    grow: (lane, grown) => views.get(lane.key)?.store.set({ grown }),
    end: (lane) => views.get(lane.key)?.store.set({ finished: {}, live: false }),
    move: (state, changed) => {
      const first = page.lanes[0];
      for (const lane of page.lanes) views.get(lane.key)?.move(state, changed, first);
    },
  };
}

function makeLane(page, lane) {
  const store = makeStore(), { canvas } = makeTokens(store, `cp-${lane.key}-token`);
  canvas.classList.add("cp-canvas");
  const letter = el("span", { className: "cp-letter" }), rule = el("span", {}), model = el("p", { className: "dv-quiet" });
  const tool = (key, act) => el("button", { type: "button", className: "dv-toggle", title: say(`compare.${key}.title`), onclick: act }, say(`compare.${key}`));
  const pin = tool("pin", () => { lane.pinned = !lane.pinned; page.draw(); }), swap = tool("swap", () => page.swap(lane));
  const open = tool("inspect", () => page.inspect(lane.id, store.state.step));
  const own = el("p", { className: "dv-prompt", dir: "auto", hidden: true }), place = el("p", { className: "cp-where" }), told = el("p", { className: "cp-counts" });
  const problem = el("p", { className: "dv-refused", role: "alert", hidden: true }), empty = el("p", { className: "dv-quiet cp-empty" }, say("compare.empty"));
  const node = el("section", { className: "cp-lane", "aria-label": "" }, el("header", {}, el("h3", {}, letter, rule), el("div", { className: "dv-tools" }, pin, swap, open)),
    model, own, problem, empty, canvas, place, told, makeAnswer(store));
  store.on((state, changed) => { // pointing and choosing in one lane does so in all
    const start = state.run?.promptLength ?? 0;
    if (changed.has("hover") && !page.moving) page.store.set({ over: state.hover ? state.hover.pos - start : null });
    if (changed.has("pos") && !page.moving && state.pos !== null) page.store.set({ place: state.pos - start });
  });

  function draw(first, apart) {
    const { run } = lane, name = page.letter(lane), { rule: words, model: what } = named(run?.spec ?? lane.spec, []);
    node.dataset.letter = letter.textContent = name;
    node.setAttribute("aria-label", say("compare.lane", { lane: name }));
    canvas.setAttribute("aria-label", say("compare.tokens", { lane: name }));
    rule.textContent = words;
    model.textContent = what;
    own.hidden = !apart || !run;
    own.textContent = run?.spec.prompt ?? "";
    problem.textContent = lane.problem;
    problem.hidden = !lane.problem;
    empty.hidden = Boolean(run);
    empty.textContent = say(lane.live ? "compare.waiting" : "compare.empty");
    for (const part of [canvas, place, told, node.lastChild]) part.hidden = !run;
    pin.setAttribute("aria-pressed", String(lane.pinned));
    pin.hidden = open.hidden = !run || lane.live || !lane.id;
    swap.hidden = first;
    swap.disabled = page.decoding;
    told.hidden ||= first;
    if (run) store.set({ run, step: Math.min(store.state.step, run.steps), live: lane.live && lane.identity !== null });
  }

  /** Shows the moment: steps, tokens, and how they differ from the first lane's. */
  function move(state, changed, first) {
    const { run } = lane;
    if (!run || store.state.run !== run) return;
    const step = Math.max(0, stepAt(ticksOf(run, state.clock), now(state)));
    const spot = (at) => (at === null || at + run.promptLength >= run.length ? null : at + run.promptLength);
    const over = spot(state.over), pos = spot(state.place), unlike = differs(run, step, first, state);
    page.moving = true;
    store.set({ step, pos, order: state.order, spaces: state.spaces, asked: unlike.marks(store.state.asked, step),
      ...(store.state.hover?.pos !== (over ?? undefined) ? { hover: over === null ? null : { pos: over } } : {}) });
    page.moving = false;
    const share = ticksOf(run, "fraction")[step], nfe = ticksOf(run, "nfe")[step];
    place.textContent = say("compare.where", { step, steps: run.steps, nfe: many("compare.at.nfe", nfe), share: shownAt("fraction", share) });
    node.dataset.step = step;
    if (unlike.counts) { told.replaceChildren(...unlike.counts.map(([kind, n]) => el("span", { "data-kind": kind, "data-n": n }, el("i", { className: `cp-key cp-${kind}`, "aria-hidden": "true" }), many(`compare.count.${kind}`, n)))); }
    else told.textContent = first?.run && lane !== first ? say("compare.note.vocabulary.short") : "";
  }

  /** {counts: [[kind, n]] or null, marks(before, step)}: against the first lane at this moment. */
  function differs(run, step, first, state) {
    if (!first?.run || first === lane) return { counts: null, marks: () => null };
    const pair = pairOf(first.run, run), all = kinds(pair, Math.max(0, stepAt(ticksOf(first.run, state.clock), now(state))), step);
    if (!all) return { counts: null, marks: () => null };
    const counts = DIFFERENT.map((kind) => [kind, all.filter((one) => one === kind).length]).filter(([kind, n]) => n || ["same", "order", "token"].includes(kind));
    const set = new Set(all.flatMap((kind, i) => (kind === "token" ? [i + run.promptLength] : [])));
    const marks = (before) => (before?.step === step && [...set].join() === before.key ? before : { step, key: [...set].join(), sets: new Map([["a", set]]), shown: "a" });
    return { counts, marks };
  }
  return { node, store, draw, move };
}
