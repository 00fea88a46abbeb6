// The list of jobs: a row each, that stays the same element while its numbers change, so that what
// has the focus keeps it.

import { el } from "./dom.js";
import { act } from "./distil-ask.js";
import { duration } from "./distil-form.js";

export const MARKS = { queued: "◷", running: "▶", stopping: "…", stopped: "■", done: "✓", failed: "✗" };
const LABELS = { stop: "Stop", resume: "Resume", retry: "Retry", delete: "Delete" };
const STORY = [
  "the model answers some prompts; only from these answers does its student learn;",
  "parts of the answers are masked again; the model fills in what it is sure of, looks a second time, and says what it now expects elsewhere;",
  "the student, the same model with a small adapter, learns to expect that at the first look;",
  "both answer prompts that neither has seen: is the student as often right, and does it need fewer forwards?",
];
const TITLES = {
  stop: "Finish the step, write a checkpoint, and stop", resume: "Go on from the last checkpoint",
  retry: "A fresh job of the same settings", delete: "Remove the job, its curves and its log",
};

export function makeList(page) {
  const rows = new Map(), place = el("ul", { className: "di-list" });
  const empty = el("div", { className: "di-none" }, el("p", {}, "No jobs yet. The first preset takes about a minute and needs nothing but this computer: press Start. Then"),
    el("ol", {}, ...STORY.map((text) => el("li", {}, text))));
  const spoken = el("p", { className: "di-unseen", role: "status" });
  const node = el("section", { className: "di-panel", "aria-label": "Jobs" }, el("h3", {}, "Jobs"), empty, place, spoken);
  const mark = (id) => { for (const [key, row] of rows) row.mark(key === id); };
  function show(jobs, chosen, now) {
    empty.hidden = jobs.length > 0;
    for (const [id, row] of rows) if (!jobs.some((job) => job.id === id)) { row.node.remove(); rows.delete(id); }
    jobs.forEach((job, at) => {
      const known = rows.get(job.id), row = known ?? makeRow(page, job);
      rows.set(job.id, row);
      if (place.children[at] !== row.node) place.insertBefore(row.node, place.children[at] ?? null);
      if (known && known.state !== job.state) spoken.textContent = `${job.title}: ${job.state}. ${job.problem}`;
      row.show(job, now);
    });
    mark(chosen);
  }
  return { node, show, mark };
}

function makeRow(page, { id }) {
  const open = el("button", { type: "button", className: "di-open", onclick: () => page.choose(id, { focus: true }) });
  const state = el("span", { className: "di-state" }), stage = el("span", { className: "di-stage" });
  const bar = el("progress", { className: "di-bar", max: 1, "aria-label": "Progress of the stage" });
  const about = el("p", { className: "di-quiet", dir: "auto" }), times = el("p", { className: "di-quiet" }), note = el("p", { className: "di-why", dir: "auto" }), actions = el("div", { className: "di-row di-actions" });
  const node = el("li", { className: "di-job", "data-id": id }, el("div", { className: "di-title" }, open, state), about, el("div", { className: "di-far" }, stage, bar), note, el("div", { className: "di-foot" }, times, actions));
  const row = { node, state: null, allowed: "", mark: (on) => (on ? open.setAttribute("aria-current", "true") : open.removeAttribute("aria-current")) };
  row.show = (job, now) => {
    set(open, job.title);
    set(about, job.about);
    row.state = node.dataset.state = job.state;
    set(state, `${MARKS[job.state] ?? ""} ${job.state}`);
    set(stage, far(job));
    bar.hidden = !job.total || job.state === "done";
    if (job.total) { bar.max = job.total; bar.value = Math.min(job.done, job.total); }
    stage.parentElement.hidden = !stage.textContent && bar.hidden;
    set(times, when(job, now));
    set(note, job.problem || job.note);
    note.hidden = !note.textContent;
    if (row.allowed === job.allowed.join()) return;
    row.allowed = job.allowed.join();
    const held = actions.contains(document.activeElement);
    actions.replaceChildren(...job.allowed.map((verb) => button(page, job, verb)));
    if (held) (actions.firstChild ?? open).focus();
  };
  return row;
}

const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

/** "training · 12 of 40 steps · about 20 s left" */
export function far(job) {
  if (job.state === "done" || job.state === "queued") return "";
  if (!job.stage) return job.state === "running" ? "its process starts" : "";
  const left = job.eta === null ? "" : ` · about ${duration(job.eta)} left`;
  return job.stage + (job.total ? ` · ${job.done} of ${job.total} ${job.unit}` : "") + left;
}

function when(job, now) {
  const clock = (seconds) => new Date(seconds * 1000).toLocaleString(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const took = job.started ? `, ${duration(Math.max(0, (job.ended ?? now) - job.started))}` : "";
  const again = job.attempts > 1 ? `, taken up ${job.attempts - 1} time${job.attempts === 2 ? "" : "s"}` : "";
  return `${job.started ? "started" : "asked for"} ${clock(job.started ?? job.created)}${took}${again}${["", "auto"].includes(job.device) ? "" : ` · ${job.device}`}`;
}

function button(page, { id, title }, verb) {
  const press = () => (verb === "delete" ? confirm(page, id, title) : steer(page, id, verb));
  return el("button", { type: "button", className: "di-button", "data-verb": verb, title: TITLES[verb], "aria-label": `${LABELS[verb]} ${title}`, onclick: press }, LABELS[verb]);
}

async function steer(page, id, verb) {
  const told = await act(id, verb);
  page.choose(verb === "delete" && !told.problem && page.chosen === id ? null : verb === "retry" && told.id ? told.id : page.chosen);
  if (told.problem) page.warn(told.problem);
}

/** Asks once more before a job and its files go. */
function confirm(page, id, title) {
  const dialog = el("dialog", { className: "di-dialog", "aria-label": "Delete a job" }, el("h3", {}, "Delete “", el("bdi", {}, title), "”?"),
    el("p", {}, "Its curves, its checkpoints and its log go with it. An adapter that it has made stays, and so do the model's answers."),
    el("div", { className: "di-row" }, el("button", { type: "button", className: "di-button di-strong", onclick: () => { dialog.close(); steer(page, id, "delete"); } }, "Delete"),
      el("button", { type: "button", className: "di-button", onclick: () => dialog.close() }, "Keep")));
  const from = document.activeElement;
  dialog.addEventListener("close", () => { dialog.remove(); if (from?.isConnected) from.focus(); });
  page.list.node.append(dialog);
  dialog.showModal();
  dialog.querySelectorAll("button")[1].focus();
}
