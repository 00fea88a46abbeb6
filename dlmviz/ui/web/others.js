// What would the others do? Asks the server once for the step on screen, and keeps its answers.

import { el, named } from "./dom.js";
import { say, translated } from "./say.js";

const SHOWN = 6; // pieces named in a sentence

/** Questions to the server: `ask(event, data)` resolves with its answer, or with {problem}.
 * Answers come in the order of the questions; an event that ended without one counts as lost. */
export function makeAsker(trigger) {
  const waiting = new Map(), asked = { ask: 0, branch: 0 }, ended = { ask: 0, branch: 0 };
  const settle = (name, answer) => { waiting.get(name)?.(answer); waiting.delete(name); };
  const ask = (event, data) => new Promise((resolve) => {
    const name = `${event}-${++asked[event]}`;
    waiting.set(name, resolve);
    trigger(event, { ...data, ask: name });
  });
  const closes = (event) => () => { const name = `${event}-${++ended[event]}`; setTimeout(() => settle(name, { problem: say("others.lost") }), 400); };
  window.addEventListener("dlmviz:answered", closes("ask"));
  window.addEventListener("dlmviz:branched", closes("branch"));
  const begun = () => { for (const name of waiting.keys()) if (name.startsWith("branch")) settle(name, {}); };
  return { ask, begun, answer: ({ ask: name, ...rest }) => settle(name, rest) };
}

/** The button, and the panel with the table of answers. */
export function makeOthers(store, asker) {
  const known = new Map(); // "run step" -> answer
  let waits = null, wanted = false, pinned = null;
  const button = el("button", { type: "button", className: "dv-toggle dv-ask", title: say("others.title"), onclick: () => press() },
    `${say("others.ask")} `, el("kbd", {}, "o"));
  const panel = el("div", { className: "dv-others", role: "region", "aria-label": say("others.panel"), hidden: true });
  const keyOf = ({ run, step }) => `${run.id} ${step}`;

  async function press() {
    const { run, step, live } = store.state;
    if (!run?.id || live || waits) return;
    wanted = true;
    store.set({ playing: false });
    const key = keyOf(store.state);
    if (!known.has(key)) {
      waits = key;
      draw();
      const answer = await asker.ask("ask", { kind: "others", run: run.id, step: Math.max(1, step) });
      waits = null;
      if (!answer.problem) { known.set(key, answer); run.learn(answer.pieces); }
      if (keyOf(store.state) === key) return draw(answer);
    }
    draw();
  }

  /** The panel for the step on screen. */
  function draw(fresh) {
    const { state } = store, answer = fresh ?? known.get(keyOf(state));
    panel.hidden = !wanted || state.live;
    button.disabled = state.live || waits !== null || !state.run?.id;
    button.classList.toggle("dv-busy", waits !== null);
    if (panel.hidden) return store.set({ asked: null });
    if (waits) panel.replaceChildren(el("p", { className: "dv-quiet", role: "status" }, el("i", { className: "dv-spinner" }), say("others.asking", { step: Math.max(1, Number(waits.split(" ").pop())) })));
    else if (answer?.problem) panel.replaceChildren(el("p", { className: "dv-refused", role: "alert" }, translated(answer.problem)));
    else if (!answer) panel.replaceChildren(el("p", { className: "dv-quiet" }, say("others.unasked", { step: state.step })));
    else return table(state, answer);
    return store.set({ asked: null });
  }

  function table({ run, step }, { opinions }) {
    const at = Math.max(1, step), own = run.spec.sampler, done = run.written(at);
    const order = [...opinions].sort((a, b) => (b.sampler === own) - (a.sampler === own) || (b.agreement ?? -1) - (a.agreement ?? -1));
    const sets = new Map(opinions.map((o) => [o.sampler, new Set(o.positions)]));
    const told = el("p", { className: "dv-told", role: "status" });
    const rows = order.map((o) => row(o, o.sampler === own, show));
    function show(name, stays) {
      if (stays) pinned = pinned === name ? null : name;
      const shown = stays ? pinned : name ?? pinned;
      rows.forEach((r) => r.querySelector("button")?.setAttribute("aria-pressed", String(r.dataset.sampler === pinned)));
      told.replaceChildren(...says(run, done, opinions.find((o) => o.sampler === shown)));
      store.set({ asked: { step, sets, shown: shown && sets.has(shown) ? shown : null } });
    }
    const mine = opinions.find((o) => o.sampler === own);
    panel.replaceChildren(
      el("p", { className: "dv-quiet" }, say("others.how", { step: at, n: done.length })),
      el("table", { className: "dv-rules" }, el("thead", {}, el("tr", {}, ...["sampler", "tokens", "agreement", "forwards"].map((name) => el("th", { scope: "col", title: say(`others.${name}.means`) }, say(`others.${name}`))))), el("tbody", {}, ...rows)),
      told,
      ...(mine && mine.agreement < 1 ? [el("p", { className: "dv-quiet" }, say("others.own", { sampler: own }))] : []));
    show(null, false);
  }

  store.on((state, changed) => {
    if (changed.has("run")) wanted = false;
    if (["run", "step", "live"].some((key) => changed.has(key))) draw();
  });
  return { button, panel, press };
}

function row(opinion, own, show) {
  const name = el("button", { type: "button", "aria-pressed": "false", disabled: Boolean(opinion.problem), onclick: () => show(opinion.sampler, true) }, opinion.sampler);
  const first = el("th", { scope: "row" }, name, own ? el("small", {}, say("others.this")) : null);
  if (opinion.problem) return el("tr", {}, first, el("td", { colSpan: 3, className: "dv-quiet" }, opinion.problem));
  const share = el("span", { className: "dv-track" }, el("i", { style: `width:${100 * opinion.agreement}%` }));
  const line = el("tr", { "data-sampler": opinion.sampler, "data-agreement": opinion.agreement, "data-positions": opinion.positions.join(" ") }, first,
    el("td", {}, String(opinion.positions.length)), el("td", {}, el("span", { className: "dv-agrees" }, share, `${Math.round(100 * opinion.agreement)} %`)), el("td", {}, String(opinion.nfe)));
  line.addEventListener("pointerenter", () => show(opinion.sampler, false));
  line.addEventListener("pointerleave", () => show(null, false));
  return line;
}

/** How one rule's set differs from what the run wrote, in words. */
function says(run, done, opinion) {
  if (!opinion) return [say("others.choose")];
  const { sampler, positions, tokens } = opinion, theirs = new Set(done), ours = new Set(positions);
  const more = tokens.filter((_, i) => !theirs.has(positions[i])), less = done.filter((pos) => !ours.has(pos)).length;
  const parts = [el("b", {}, sampler), ` ${positions.length ? say("others.would", { n: positions.length, same: positions.length - more.length }) : say("others.would.not")}`];
  if (more.length) parts.push(`; ${say("others.also")} `, ...pieces(run, more));
  if (less) parts.push(`; ${say("others.leaves", { n: less })}`);
  return [...parts, "."];
}

function pieces(run, tokens) {
  const some = tokens.slice(0, SHOWN).flatMap((token, i) => [i ? " " : "", el("span", { className: "dv-piece", dir: "auto" }, named(run.piece(token)))]);
  return tokens.length > SHOWN ? [...some, ` ${say("others.more", { n: tokens.length - SHOWN })}`] : some;
}
