// The guided tour: its steps and words come with the page, its run view is that of the main page.
// A step is done when the store says that its actions were done; what is done stays for the session.

import { el } from "./dom.js";
import { mount } from "./main.js";
import { language } from "./say.js";
import { focusOf } from "./store.js";

const KEY = "dlmviz-tour";
const { steps: LESSONS, words: WORDS } = JSON.parse(document.querySelector("#dv-lesson").textContent);

/** What a sampler said about a position at the very step on screen, while it is still masked. */
function reason({ run, ...state }) {
  const { pos, step } = focusOf({ run, ...state });
  const why = pos === null || !run.masked(step, pos) ? null : run.why(step, pos);
  return why?.step === step ? why.reason : "";
}

const pointed = (state, changed) => state.run && (changed.has("hover") || changed.has("pos")) && focusOf(state).pos !== null;

/** Whether a block opens at this step and the model was asked twice. */
function opens(run, step) {
  if (step < 2 || run.block(step)[0] === run.block(step - 1)[0]) return false;
  const [first, end] = run.block(step);
  for (let pos = first; pos < end; pos++) if (run.value("jsd", step, pos) !== undefined) return true;
  return false;
}

/** name -> (state, what changed, runs of the lesson) -> whether the action has been done. */
const ACTIONS = {
  play: (state, changed) => changed.has("playing") && state.playing,
  point: (state, changed) => pointed(state, changed) && state.run.masked(focusOf(state).step, focusOf(state).pos),
  order: (state, changed) => changed.has("order") && state.order,
  "end:0": ({ run, step }, changed, runs) => run.id === runs[0] && step === run.steps,
  "end:1": ({ run, step }, changed, runs) => run.id === runs[1] && step === run.steps,
  entry: ({ run, step }, changed) => changed.has("step") && opens(run, step),
  slow: (state, changed) => pointed(state, changed) && reason(state).startsWith("slow set"),
  conflict: (state, changed) => pointed(state, changed) && reason(state).startsWith("conflicts with"),
  over: (state, changed) => pointed(state, changed) && reason(state).startsWith("over budget"),
  release: ({ run, step }, changed) => changed.has("step") && step > 1
    && run.written(step).some((pos) => run.records[step - 2].why.get(pos)?.startsWith("conflicts with")),
};

/** What was kept of an earlier visit in this session; a browser may keep nothing. */
function remembered() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY)) ?? {};
    const at = Number.isInteger(kept.at) && kept.at in LESSONS ? kept.at : 0;
    return { at, done: Array.isArray(kept.done) ? kept.done.map(String) : [] };
  } catch {
    return { at: 0, done: [] };
  }
}

function remember(tour) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ at: tour.at, done: [...tour.done] }));
  } catch { /* storage is closed to this page: the tour works, and forgets */ }
}

/** A text whose [keys] are drawn as keys. */
const rich = (text) => text.split(/\[([^\]]+)\]/).map((part, i) => (i % 2 ? el("kbd", {}, part) : part));

const nameOf = (at, action) => `${LESSONS[at].name}:${action}`;

const finished = (tour, at) => LESSONS[at].asks.every((action) => tour.done.has(nameOf(at, action)));

function start() {
  const kept = remembered();
  const tour = { ...kept, done: new Set(kept.done), arriving: null, store: null, open: null };
  theme();
  const props = { value: "" };
  const nothing = () => {};
  tour.store = mount(document.querySelector("#dv-stage"), props, (_, then) => { tour.push = then; }, nothing);
  tour.open = (id) => {
    tour.arriving = id;
    props.value = JSON.stringify({ type: "open", id });
    tour.push();
  };
  tour.store.on((state, changed) => listen(tour, state, changed));
  enter(tour, tour.at);
}

/** Goes to a step of the tour. */
function enter(tour, at) {
  tour.at = at;
  remember(tour);
  document.body.dataset.panels = LESSONS[at].panels;
  draw(tour);
  tour.open(LESSONS[at].runs[0]);
  document.querySelector("#dv-lead").scrollTop = 0;
  window.scrollTo(0, 0);
}

function listen(tour, state, changed) {
  const { run } = state, lesson = LESSONS[tour.at];
  if (!run || (tour.arriving !== null && run.id !== tour.arriving)) return;
  if (tour.arriving !== null) return arrive(tour, lesson);
  let news = false;
  for (const action of lesson.asks) {
    if (tour.done.has(nameOf(tour.at, action)) || !ACTIONS[action](state, changed, lesson.runs)) continue;
    tour.done.add(nameOf(tour.at, action));
    news = true;
  }
  if (news) { remember(tour); mark(tour); }
}

/** A run is on screen: it stands where its lesson begins, and the keys work at once. */
function arrive(tour, lesson) {
  const id = tour.arriving;
  tour.store.set({ step: id === lesson.runs[0] ? lesson.start : 0, order: false, metric: lesson.metric });
  tour.arriving = null;
  document.querySelector(".dv-canvas").focus({ preventScroll: true });
  document.querySelectorAll(".dv-choice").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.id === id)));
}

/** Draws the panel of the step; `mark` then only changes what is done. */
function draw(tour) {
  const words = WORDS[language], lesson = LESSONS[tour.at], text = words[lesson.name];
  document.title = `dlmviz: ${text.title}`;
  document.querySelector("#dv-lead").replaceChildren(
    head(tour, words), stations(tour, words),
    el("article", { className: "dv-lesson" },
      el("p", { className: "dv-quiet" }, words.place.replace("{at}", tour.at + 1).replace("{of}", LESSONS.length)),
      el("h2", {}, text.title), ...text.text.map((part) => el("p", {}, ...rich(part)))),
    todo(tour, words, lesson, text),
    el("section", { className: "dv-more", "aria-label": words.question },
      el("details", { className: "dv-ask" }, el("summary", {}, el("b", {}, words.question), el("span", {}, text.question)),
        el("p", {}, el("b", {}, `${words.answer}: `), text.answer)),
      el("p", { className: "dv-quiet" }, `${words.paper}: `, el("a", { href: lesson.paper, target: "_blank", rel: "noopener noreferrer" }, text.paper))));
  mark(tour);
}

function head(tour, words) {
  const languages = el("select", { className: "dv-select", "aria-label": "Language, Sprache", onchange: (event) => {
    const address = new URL(location.href);
    address.searchParams.set("lang", event.target.value);
    location.assign(address); // the run view beside it speaks this language too
  } }, ...Object.entries(WORDS).map(([code, table]) => el("option", { value: code, lang: code }, table.language)));
  languages.value = language;
  return el("header", { className: "dv-lead-head" }, el("h1", {}, words.title),
    el("nav", {}, el("a", { href: `./${location.search}` }, `← ${words.home}`), languages));
}

function stations(tour, words) {
  const button = (lesson, at) => el("button", { type: "button", className: "dv-station", title: words[lesson.name].title,
    "aria-current": at === tour.at ? "step" : null, onclick: () => enter(tour, at) }, el("span", { className: "dv-count" }, String(at + 1)), el("span", { className: "dv-unseen" }));
  return el("nav", { "aria-label": words.steps }, el("ol", { className: "dv-stations" }, ...LESSONS.map((lesson, at) => el("li", {}, button(lesson, at)))));
}

function todo(tour, words, lesson, text) {
  const asks = text.asks.map((ask, i) => el("li", { "data-action": lesson.asks[i] },
    el("span", { className: "dv-tick", "aria-hidden": "true" }), el("span", {}, ...rich(ask), el("span", { className: "dv-unseen" }))));
  const runs = (text.runs ?? []).map((label, i) => el("button", { type: "button", className: "dv-toggle dv-choice", "data-id": lesson.runs[i],
    "aria-pressed": String(tour.store.state.run?.id === lesson.runs[i]), onclick: () => tour.open(lesson.runs[i]) }, label));
  return el("section", { className: "dv-todo", "aria-label": words.todo }, el("h3", {}, words.todo), el("ul", {}, ...asks),
    runs.length ? el("div", { className: "dv-toggles", role: "group", "aria-label": words.choose }, ...runs) : null,
    el("p", { className: "dv-seen", role: "status" }), moves(tour, words), el("p", { className: "dv-note", role: "status" }));
}

function moves(tour, words) {
  const last = tour.at === LESSONS.length - 1;
  const back = el("button", { type: "button", className: "dv-toggle", disabled: tour.at === 0, onclick: () => enter(tour, tour.at - 1) }, words.back);
  const next = last
    ? el("a", { className: "dv-jump dv-next", href: `./${location.search}` }, words.finish)
    : el("button", { type: "button", className: "dv-jump dv-next", onclick: () => enter(tour, tour.at + 1) }, words.next);
  const again = el("button", { type: "button", className: "dv-toggle dv-again", onclick: () => { tour.done.clear(); enter(tour, 0); } }, words.again);
  return el("footer", {}, back, last ? again : null, next);
}

/** Shows which actions and which steps are done. */
function mark(tour) {
  const words = WORDS[language], all = finished(tour, tour.at);
  document.querySelectorAll(".dv-todo li").forEach((item) => {
    const done = tour.done.has(nameOf(tour.at, item.dataset.action));
    item.dataset.done = done;
    item.querySelector(".dv-tick").textContent = done ? "✓" : "";
    item.querySelector(".dv-unseen").textContent = ` (${done ? words.is_done : words.is_open})`;
  });
  document.querySelectorAll(".dv-station").forEach((button, at) => {
    button.dataset.done = finished(tour, at);
    button.lastChild.textContent = `, ${words[LESSONS[at].name].title}, ${finished(tour, at) ? words.is_done : words.is_open}`;
  });
  document.querySelector(".dv-seen").textContent = all ? words.well.replace("{seen}", words[LESSONS[tour.at].name].seen) : "";
  document.querySelector(".dv-todo").dataset.done = all;
}

/** Dark where the address or the system says so, as on the main page. */
function theme() {
  const asked = new URLSearchParams(location.search).get("__theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => document.body.classList.toggle("dark", asked ? asked === "dark" : system.matches);
  system.addEventListener("change", paint);
  paint();
}

start();
