// The Analyse tab: studies, their jobs, and what the chosen one found. It is built when it is first
// shown; while a study is at work and the tab is seen, it looks at the server once a second.

import { el } from "./dom.js";
import { makeForm } from "./analyse-form.js";
import { makeResult } from "./analyse-result.js";
import { makeList } from "./distil-list.js";
import { many, say, translated } from "./say.js";

const ROOT = new URL("dlmviz/analyse/", document.baseURI).href;
const PAUSE = 1000; // ms between two looks
const PATIENCE = 3000; // ms where the server does not answer

const seen = () => document.body.dataset.tab === "analyse" && !document.hidden;

export function mount(element) {
  const root = element.querySelector(".an-root");
  if (!root || root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  root.setAttribute("aria-label", say("tabs.analyse"));
  let page = null;
  const wake = () => {
    if (!seen()) return;
    page ??= build(root);
    page.wake();
  };
  window.addEventListener("dlmviz:tab", wake);
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("focus", wake);
  wake();
}

/** The server's answer as JSON; {problem, gone} where there is none. */
async function told(path, options) {
  const answer = await fetch(ROOT + path, options).catch(() => null);
  const json = await answer?.json().catch(() => null);
  if (!json) return { problem: say("answers.not"), gone: true };
  return json.problem ? { ...json, problem: translated(json.problem) } : json;
}

function build(root) {
  const note = el("p", { className: "di-note", role: "alert", hidden: true });
  const page = { chosen: null, timer: 0, asking: false, again: false, lost: null, ask: told, root: ROOT };
  page.say = (text = "") => { if (note.textContent !== text) note.textContent = text; note.hidden = !text; };
  page.warn = (text) => { page.lost = text; page.say(text); };
  page.choose = (id, { focus = false } = {}) => choose(page, id, focus);
  page.wake = () => { page.form.fill(); turn(page); };
  Object.assign(page, { form: makeForm(page), list: makeList(page, "analyse"), result: makeResult(page) });
  root.replaceChildren(el("header", {}, el("h2", {}, say("tabs.analyse")), el("p", { className: "di-quiet" }, say("analyse.about"))), note,
    el("div", { className: "di-columns" }, page.form.node, el("div", { className: "di-work" }, page.list.node, page.result.node)));
  return page;
}

/** Looks at the jobs now, and goes on looking while something is at work. */
async function turn(page) {
  if (page.asking) { page.again = true; return; }
  clearTimeout(page.timer);
  page.asking = true;
  const id = page.chosen, seenNow = await page.ask(`jobs?${new URLSearchParams({ job: id ?? "" })}`);
  page.asking = false;
  if (seenNow.problem) page.say(seenNow.problem);
  else draw(page, id, seenNow);
  const more = page.again || seenNow.gone || seenNow.open;
  const pause = page.again ? 0 : seenNow.gone ? PATIENCE : PAUSE;
  page.again = false;
  if (more && seen()) page.timer = setTimeout(() => seen() && turn(page), pause);
}

function draw(page, id, { jobs, chosen, now }) {
  page.say(page.lost ?? "");
  page.list.show(jobs.map(named), page.chosen, now);
  if (id !== page.chosen) return; // another one was chosen meanwhile
  const one = jobs.find((job) => job.id === id);
  if (one && chosen) page.result.show(named(one), chosen);
  else if (jobs.length) page.choose(jobs[0].id);
  else { page.chosen = null; page.result.clear(); }
}

/** A job with its title, and what it measures, in the language of the page. */
function named(job) {
  const { study, model, n, runs } = job.about;
  const what = runs === null ? say("analyse.row.new", { model, n }) : many("analyse.row.existing", runs);
  return { ...job, title: translated(job.title), about: { study, what } };
}

/** Shows a job; null shows none. */
function choose(page, id, focus) {
  page.lost = null;
  if (id !== page.chosen || !id) page.result.clear();
  page.chosen = id;
  page.list.mark(id);
  page.result.attend(focus);
  turn(page);
}
