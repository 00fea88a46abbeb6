// The Compare tab: up to four lanes, each a run or one to decode, on one clock. Moving the clock asks
// nothing of the server. The page is built when it is first seen.

import { ask } from "./compare-ask.js";
import { clockKeys, makeClock, now, turn, wind } from "./compare-clock.js";
import { makeDifference } from "./compare-diff.js";
import { makeSettings } from "./compare-form.js";
import { makeStage } from "./compare-lanes.js";
import { address, go, keepAddress, left, linkTo } from "./compare-link.js";
import { pair } from "./compare-pair.js";
import { makeTable } from "./compare-table.js";
import { el } from "./dom.js";
import { Run } from "./run.js";
import { say, translated } from "./say.js";
import { makeStore, startClock } from "./store.js";
import { showTab } from "./tabs.js";

const IDENTITY = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const LETTERS = "ABCD";

/** Fills the page once, when it is first seen. */
export function mount(element, props, watch, trigger) {
  const root = element.querySelector(".cp-root");
  if (!root || root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  root.setAttribute("aria-label", say("tabs.compare"));
  let page = null;
  const built = () => (page ??= build(root, trigger));
  watch("value", () => built().receive(JSON.parse(props.value)));
  window.addEventListener("dlmviz:tab", ({ detail }) => { if (detail === "compare") built().seen(); else page?.left(); });
  window.addEventListener("dlmviz:compare", ({ detail }) => { if (detail.show) { showTab("compare"); window.scrollTo({ top: 0 }); } built().take(detail); });
  window.addEventListener("dlmviz:raced", () => page?.receive({ type: "done" }));
  window.addEventListener("hashchange", () => { if (document.body.dataset.tab === "compare") page?.go(); });
  if (document.body.dataset.tab === "compare") built().seen();
}

function build(root, trigger) {
  const store = makeStore();
  store.set({ clock: "fraction", place: null, over: null });
  const page = { store, lanes: [], next: 0, example: null, touched: false, decoding: false, opened: null, letter: (lane) => LETTERS[page.lanes.indexOf(lane)] };
  const note = el("p", { className: "dv-note cp-note", role: "status" });
  const hint = el("p", { className: "dv-quiet" }, say("compare.about"));
  page.say = (text, problem = false) => { note.textContent = translated(text); note.classList.toggle("dv-problem", problem); };
  page.runs = () => page.lanes.map(({ run }) => run).filter(Boolean);
  page.draw = () => draw(page);
  page.inspect = (id, step) => { showTab("inspect"); window.dispatchEvent(new CustomEvent("dlmviz:open", { detail: { id, step } })); window.scrollTo({ top: 0 }); };
  const bar = makeClock(store, (clock) => turn(store, page.runs(), clock));
  const stage = makeStage(page, bar), difference = makeDifference(page), table = makeTable(page);
  const form = makeSettings(page, { note, decode: () => decode(page, trigger), stop: () => stop(page, trigger) });
  Object.assign(page, { form, stage, difference, table });
  root.classList.add("dv-root");
  root.replaceChildren(el("header", {}, el("h2", {}, say("tabs.compare")), hint), form.node,
    el("div", { className: "cp-work" }, stage.node, table.node, difference.node));
  root.addEventListener("keydown", clockKeys(store), true);
  startClock(store);
  new MutationObserver(() => store.set({ theme: document.body.className })).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  store.on((state, changed) => { if (page.lanes.length) stage.move(state, changed); difference.move(state, changed); keepAddress(page, changed); });
  return Object.assign(page, {
    seen: () => seen(page), left: () => left(), take: (given) => take(page, given), receive: (message) => receive(page, message), go: () => go(page),
    link: () => linkTo(page), add: (spec) => add(page, spec), remove: (lane) => remove(page, lane), swap: (lane) => swap(page, lane),
  });
}

/** A lane without a run; `spec` is what it would decode. */
function add(page, spec) {
  const lane = { key: page.next++, spec: { ...spec, params: { ...spec.params } }, run: null, id: null, pinned: false, problem: "", live: false, identity: null };
  page.lanes.push(lane);
  return lane;
}

function remove(page, lane) {
  page.lanes = page.lanes.filter((other) => other !== lane);
  page.touched = true;
  page.draw();
}

/** Makes a lane the first one, and the first one what it was. */
function swap(page, lane) {
  const at = page.lanes.indexOf(lane), [first] = page.lanes;
  page.lanes[0] = lane;
  page.lanes[at] = first;
  page.touched = true;
  page.draw();
}

/** Draws all anew after lanes came, went or moved; the moment stays. */
function draw(page) {
  const { store } = page, { state } = store, before = state.run;
  page.form.draw();
  page.stage.draw();
  if (page.runs().length) wind(store, page.runs(), state.clock, before && state.step < before.steps ? now(state) : null, { lanes: page.lanes.map(({ key }) => key).join() });
  page.table.draw();
  page.difference.draw();
}

/** The first sight: what the address names, what another page sent, or two bundled runs. */
async function seen(page) {
  if (page.opened) return void (await page.opened, address(page));
  const query = new URLSearchParams(location.search), named = query.get("compare");
  page.opened = open(page, named);
  await page.opened;
}

async function open(page, named) {
  const told = await page.form.fill();
  if (!told) { page.opened = null; return; }
  if (!page.touched) page.form.share(told.spec);
  if (named !== null) {
    await fill(page, named.split(",").slice(0, told.most));
    go(page);
  } else if (!page.lanes.length) {
    await fill(page, told.starts);
  }
  while (page.lanes.length < 2) add(page, page.lanes[0]?.run ? page.lanes[0].spec : { ...told.spec, sampler: page.lanes.length ? "fast_dllm" : "llada" });
  page.draw();
}

/** Adds a lane for each of these runs; says which are nowhere. */
async function fill(page, ids) {
  const lost = [];
  const found = await Promise.all(ids.map((id) => (IDENTITY.test(id) ? ask.run(id) : null)));
  found.forEach((header, i) => {
    if (!header) return lost.push(ids[i]);
    const lane = add(page, header.spec);
    lane.run = new Run(header);
    lane.id = header.info.kept === false ? header.id : header.info.hash ?? header.id;
  });
  const first = page.lanes.find(({ run }) => run);
  if (first) { page.form.share(first.spec); page.example = { run: first.id }; }
  if (lost.length) page.say(say(lost.length === ids.length ? "compare.lost.all" : "compare.lost", { runs: lost.map((id) => `“${id.slice(0, 64)}”`).join(", ") }), true);
}

/** What another page sent: a run {id}, a sampler with its head, or a model with an adapter. */
async function take(page, given) {
  const told = await page.form.fill();
  if (!told || page.decoding) return;
  page.opened ??= Promise.resolve();
  await page.opened;
  if (given.id && page.touched && page.lanes.some(({ id }) => id === given.id)) page.say(say("compare.twice"));
  else if (given.id) {
    if (!page.touched) page.lanes = [];
    page.lanes = page.lanes.filter((lane) => lane.run);
    page.touched = true;
    if (page.lanes.length >= told.most) page.lanes.splice(page.lanes.findLastIndex((lane) => !lane.pinned), 1);
    page.say("");
    await fill(page, [given.id]);
    if (page.lanes.length < 2) page.say(say("compare.single"));
  } else {
    page.touched = true;
    page.lanes = [];
    await pair(page, told.spec, given);
  }
  page.draw();
  address(page);
}

function decode(page, trigger) {
  const lanes = page.lanes.filter((lane) => !lane.pinned);
  if (page.decoding) return;
  if (!lanes.length) return page.say(say("compare.pinned.all"), true);
  page.touched = page.decoding = true;
  for (const lane of lanes) Object.assign(lane, { problem: "", live: true, identity: null });
  page.refusal = "";
  page.say(say("compare.decoding"));
  page.store.set({ live: true, follow: true, playing: false });
  page.form.draw();
  page.stage.draw();
  const shared = page.form.shared();
  trigger("race", { shared, example: page.example, lanes: lanes.map((lane) => ({ place: lane.key, spec: page.form.specOf(lane) })) });
}

function stop(page, trigger) {
  if (!page.decoding) return;
  trigger("halt", {});
  receive(page, { type: "done", stopped: true });
}

/** What the server says while it decodes. */
function receive(page, message) {
  const find = (key) => page.lanes.find((lane) => lane.key === key && lane.live);
  const act = {
    begin: ({ lane: key, header }) => {
      const lane = find(key);
      if (!lane || !page.decoding) return;
      Object.assign(lane, { run: new Run(header), identity: header.id, id: null, spec: header.spec });
      page.draw();
    },
    steps: ({ lanes }) => {
      for (const { lane: key, first, steps, pieces } of lanes) {
        const lane = find(key);
        if (!lane?.run || first > lane.run.steps) continue;
        lane.run.learn(pieces);
        const fresh = steps.slice(lane.run.steps - first);
        lane.run.append(fresh);
        page.stage.grow(lane, fresh.flatMap((entry) => [...entry.positions, ...entry.remasked]));
      }
      const { state } = page.store;
      wind(page.store, page.runs(), state.clock, state.follow ? null : now(state));
    },
    finish: (told) => settle(page, find(told.lane), told),
    problem: ({ lane: key, text }) => {
      const lane = find(key);
      if (!lane) { page.refusal = text; return; }
      lane.problem = translated(text);
      if (lane.identity) settle(page, lane, null);
      else { Object.assign(lane, { live: false, run: null, id: null }); page.stage.draw(); }
    },
    done: ({ stopped }) => done(page, stopped),
  };
  act[message.type]?.(message);
}

/** A lane that is over: its run as the server keeps it. */
async function settle(page, lane, told) {
  if (!lane) return;
  const { run } = lane;
  lane.live = false;
  if (told && run.steps === told.count) {
    run.finish(told);
    Object.assign(lane, { id: told.saved });
    run.id = told.saved;
  } else {
    const header = await ask.run(told?.saved ?? lane.identity, "?wait");
    if (!header) { lane.problem ||= say("compare.unbegun"); if (!run.steps) lane.run = null; } else Object.assign(lane, { run: new Run(header), id: header.id });
  }
  page.stage.end(lane);
  if (!page.decoding) page.draw();
}

async function done(page, stopped) {
  if (!page.decoding) return;
  page.decoding = false;
  const open = page.lanes.filter((lane) => lane.live);
  for (const lane of open) if (!lane.identity) Object.assign(lane, { live: false, problem: lane.run ? "" : say("compare.unbegun") });
  await Promise.all(open.filter((lane) => lane.identity).map((lane) => settle(page, lane, null)));
  if (page.refusal) page.say(page.refusal, true);
  else page.say(say(stopped ? "compare.stopped" : page.lanes.some((lane) => lane.problem) ? "compare.done.partly" : "compare.done"));
  page.store.set({ live: false, follow: false });
  page.draw();
  address(page);
}
