// The list of jobs: a row each, that stays the same element while its numbers change, so that what
// has the focus keeps it.

import { el } from "./dom.js";
import { act } from "./distil-ask.js";
import { duration } from "./distil-form.js";
import { around, either, locale, many, say, translated } from "./say.js";

const MARKS = { queued: "◷", running: "▶", stopping: "…", stopped: "■", done: "✓", failed: "✗" };
/** `kind` is the page whose words it uses: distil, or analyse. */
export function makeList(page, kind = "distil") {
  const rows = new Map(), place = el("ul", { className: "di-list" });
  const empty = el("div", { className: "di-none" }, el("p", {}, say(`${kind}.none`)),
    el("ol", {}, ...[1, 2, 3, 4].map((part) => el("li", {}, say(`${kind}.story.${part}`)))));
  const spoken = el("p", { className: "di-unseen", role: "status" });
  const node = el("section", { className: "di-panel", "aria-label": say("distil.jobs") }, el("h3", {}, say("distil.jobs")), empty, place, spoken);
  const mark = (id) => { for (const [key, row] of rows) row.mark(key === id); };
  function show(jobs, chosen, now) {
    empty.hidden = jobs.length > 0;
    for (const [id, row] of rows) if (!jobs.some((job) => job.id === id)) { row.node.remove(); rows.delete(id); }
    jobs.forEach((job, at) => {
      const known = rows.get(job.id), row = known ?? makeRow(page, job, kind);
      rows.set(job.id, row);
      if (place.children[at] !== row.node) place.insertBefore(row.node, place.children[at] ?? null);
      if (known && known.state !== job.state) spoken.textContent = `${job.title}: ${stateOf(job)}. ${translated(job.problem)}`;
      row.show(job, now);
    });
    mark(chosen);
  }
  return { node, show, mark };
}

function makeRow(page, { id }, kind) {
  const open = el("button", { type: "button", className: "di-open", onclick: () => page.choose(id, { focus: true }) });
  const state = el("span", { className: "di-state" }), stage = el("span", { className: "di-stage" });
  const bar = el("progress", { className: "di-bar", max: 1, "aria-label": say("distil.bar") });
  const about = el("p", { className: "di-quiet", dir: "auto" }), times = el("p", { className: "di-quiet" }), note = el("p", { className: "di-why", dir: "auto" }), actions = el("div", { className: "di-row di-actions" });
  const node = el("li", { className: "di-job", "data-id": id }, el("div", { className: "di-title" }, open, state), about, el("div", { className: "di-far" }, stage, bar), note, el("div", { className: "di-foot" }, times, actions));
  const row = { node, state: null, allowed: "", mark: (on) => (on ? open.setAttribute("aria-current", "true") : open.removeAttribute("aria-current")) };
  row.show = (job, now) => {
    set(open, job.title);
    set(about, either([`${job.kind}.row`, `${kind}.row`], "", job.about));
    row.state = node.dataset.state = job.state;
    set(state, stateOf(job));
    set(stage, far(job));
    bar.hidden = !job.total || job.state === "done";
    if (job.total) { bar.max = job.total; bar.value = Math.min(job.done, job.total); }
    stage.parentElement.hidden = !stage.textContent && bar.hidden;
    set(times, when(job, now));
    set(note, translated(job.problem || job.note));
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

/** What the server names, in the language of the page; what is not known stays. */
export const word = (kind, name) => either([`distil.${kind}.${name}`], name);

/** "✓ done" */
export const stateOf = ({ state }) => `${MARKS[state] ?? ""} ${word("state", state)}`;

/** "training · 12 of 40 steps · about 20 s left" */
export function far(job) {
  if (job.state === "done" || job.state === "queued") return "";
  if (!job.stage) return job.state === "running" ? say("distil.process") : "";
  const amount = job.total ? say("distil.far", { done: job.done, total: job.total, unit: word("unit", job.unit) }) : "";
  return [word("stage", job.stage), amount, job.eta === null ? "" : say("distil.left", { time: duration(job.eta) })].filter(Boolean).join(" · ");
}

function when(job, now) {
  const clock = (seconds) => new Date(seconds * 1000).toLocaleString(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  const took = job.started ? `, ${duration(Math.max(0, (job.ended ?? now) - job.started))}` : "";
  const again = job.attempts > 1 ? `, ${many("distil.taken", job.attempts - 1)}` : "";
  return `${say(job.started ? "distil.started" : "distil.asked", { when: clock(job.started ?? job.created) })}${took}${again}${["", "auto"].includes(job.device) ? "" : ` · ${job.device}`}`;
}

function button(page, { id, title }, verb) {
  const press = () => (verb === "delete" ? confirm(page, id, title) : steer(page, id, verb));
  return el("button", { type: "button", className: "di-button", "data-verb": verb, title: say(`distil.${verb}.title`), "aria-label": `${say(`distil.${verb}`)}: ${title}`, onclick: press }, say(`distil.${verb}`));
}

async function steer(page, id, verb) {
  const told = await act(id, verb);
  page.choose(verb === "delete" && !told.problem && page.chosen === id ? null : verb === "retry" && told.id ? told.id : page.chosen);
  if (told.problem) page.warn(told.problem);
}

/** Asks once more before a job and its files go. */
function confirm(page, id, title) {
  const dialog = el("dialog", { className: "di-dialog", "aria-label": say("distil.delete") }, el("h3", {}, ...around("distil.delete.ask", () => el("bdi", {}, title))),
    el("p", {}, say("distil.delete.what")),
    el("div", { className: "di-row" }, el("button", { type: "button", className: "di-button di-strong", onclick: () => { dialog.close(); steer(page, id, "delete"); } }, say("distil.delete")),
      el("button", { type: "button", className: "di-button", onclick: () => dialog.close() }, say("distil.keep"))));
  const from = document.activeElement;
  dialog.addEventListener("close", () => { dialog.remove(); if (from?.isConnected) from.focus(); });
  page.list.node.append(dialog);
  dialog.showModal();
  dialog.querySelectorAll("button")[1].focus();
}
