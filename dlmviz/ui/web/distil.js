// The Train tab: a form, the list of jobs, and the job that is chosen. While one is at work and the
// tab is seen, it looks at the server twice a second; else it asks nothing.

import { el } from "./dom.js";
import { look } from "./distil-ask.js";
import { makeForm } from "./distil-form.js";
import { makeJob } from "./distil-job.js";
import { makeList } from "./distil-list.js";
import { say } from "./say.js";

const PAUSE = 500; // ms between two looks
const PATIENCE = 3000; // ms where the server does not answer
const JOB = /^#job=([0-9a-f]{8})$/;

const named = () => JOB.exec(location.hash)?.[1] ?? null;
const seen = () => document.body.dataset.tab === "distil" && !document.hidden;

/** Fills the page once; it wakes up whenever it is shown. */
export function mount(element) {
  const root = element.querySelector(".di-root");
  if (!root || root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  root.setAttribute("aria-label", say("tabs.distil"));
  document.body.style.setProperty("--di-drop", JSON.stringify(say("distil.drop")));
  const page = build(root);
  const wake = () => { if (seen()) page.wake(); };
  window.addEventListener("dlmviz:tab", ({ detail }) => {
    if (detail === "distil") { page.address(); wake(); }
    else if (JOB.test(location.hash)) history.replaceState(history.state, "", location.pathname + location.search);
  });
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("focus", wake);
  window.addEventListener("hashchange", () => { if (seen() && named() && named() !== page.chosen) page.choose(named()); });
  wake();
}

function build(root) {
  const note = el("p", { className: "di-note", role: "alert", hidden: true });
  const page = { chosen: named(), cursor: "", timer: 0, asking: false, again: false };
  page.say = (text = "") => { if (note.textContent !== text) note.textContent = text; note.hidden = !text; };
  page.warn = (text) => { page.lost = text; page.say(text); };
  page.choose = (id, { focus = false } = {}) => choose(page, id, focus);
  page.address = () => address(page.chosen);
  page.wake = () => { form.fill(); turn(page); };
  const form = makeForm(page), list = makeList(page), job = makeJob(page, form);
  Object.assign(page, { form, list, job });
  root.replaceChildren(el("header", {}, el("h2", {}, say("tabs.distil")),
    el("p", { className: "di-quiet" }, say("distil.about"))),
  note, el("div", { className: "di-columns" }, form.node, el("div", { className: "di-work" }, list.node, job.node)));
  return page;
}

/** Looks at the jobs now, and goes on looking while something is at work. */
async function turn(page) {
  if (page.asking) { page.again = true; return; }
  clearTimeout(page.timer);
  page.asking = true;
  const id = page.chosen, told = await look(id, page.cursor);
  page.asking = false;
  if (told.problem) page.say(told.problem);
  else draw(page, id, told);
  const more = page.again || told.gone || told.open;
  const pause = page.again ? 0 : told.gone ? PATIENCE : PAUSE;
  page.again = false;
  if (more && seen()) page.timer = setTimeout(() => seen() && turn(page), pause);
}

function draw(page, id, told) {
  page.say(page.lost ?? "");
  page.list.show(told.jobs, page.chosen, told.now);
  if (id !== page.chosen) return; // another one was chosen meanwhile
  const one = told.jobs.find((job) => job.id === id);
  if (one && told.chosen) {
    page.cursor = told.chosen.cursor;
    page.job.show(one, told.chosen, told.now);
    return;
  }
  if (id) page.lost = say("distil.gone", { job: id });
  page.say(page.lost ?? "");
  const first = told.jobs[0]?.id ?? null;
  if (first && !page.lost) page.choose(first);
  else { page.chosen = null; page.job.clear(); }
}

/** Shows a job; null shows none. */
function choose(page, id, focus) {
  page.lost = null;
  if (id !== page.chosen || !id) page.job.clear();
  if (id !== page.chosen) page.cursor = "";
  page.chosen = id;
  address(id);
  page.list.mark(id);
  page.job.attend(focus);
  turn(page);
}

/** Keeps the job in the address, so that a reload or a link shows it again. */
function address(id) {
  if (document.body.dataset.tab !== "distil") return;
  const url = new URL(location.href);
  url.hash = id ? `job=${id}` : "";
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}
