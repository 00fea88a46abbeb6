// The Library: every run of the store in a table, to search, name, pin, delete, download and open.

import { makeDownloads } from "./downloads.js";
import { el, icon } from "./dom.js";
import { number } from "./palette.js";
import { around, decimal, locale, many, say } from "./say.js";
import { act, list, take } from "./shelf.js";
import { showTab } from "./tabs.js";

const STAR = "M12 3.2l2.7 5.6 6.1.8-4.5 4.2 1.1 6.1-5.4-3-5.4 3 1.1-6.1L3.2 9.6l6.1-.8z";
const PEN = "M4 16.5V20h3.5L17.8 9.7l-3.5-3.5zM20.7 6.8a1 1 0 000-1.4l-2.1-2.1a1 1 0 00-1.4 0l-1.7 1.7 3.5 3.5z";
const BIN = "M6 8h12l-1 12.5H7zM9 4h6l1 1.5h4v2H4v-2h4z";
const BESIDE = "M4 4h6v16H4zM14 9h6v11h-6z";
const COLUMNS = [["", "lib-star"], [say("library.run"), ""], [say("form.sampler"), "lib-wide"], [say("form.model"), "lib-wide"], ["NFE", "lib-wide lib-digits"], ["TPF", "lib-wide lib-digits"], [say("library.saved"), "lib-wide"], ["", ""]];
const PATIENCE = 12000; // ms for which Undo stays in sight, longer while it has the focus

/** Fills the page once, and keeps it fresh whenever it is shown. */
export function mount(element) {
  const root = element.querySelector(".lib-root");
  if (!root || root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  root.setAttribute("aria-label", say("tabs.library"));
  document.body.style.setProperty("--lib-drop", JSON.stringify(say("library.drop")));
  const page = build(root);
  window.addEventListener("dlmviz:tab", ({ detail }) => { if (detail === "library") page.fresh(); });
  listenForDrops(page);
  if (document.body.dataset.tab === "library") page.fresh();
}

function build(root) {
  const search = el("input", { type: "search", className: "lib-search", placeholder: say("library.search"), "aria-label": say("library.search.label") });
  const picker = el("input", { type: "file", accept: ".npz", multiple: true, hidden: true });
  const add = el("button", { type: "button", className: "lib-button", title: say("library.import.title"), onclick: () => picker.click() }, say("library.import"));
  const count = el("p", { className: "lib-quiet", role: "status" }), note = el("p", { className: "lib-note", role: "alert", hidden: true });
  const place = el("div", { className: "lib-place" }), toast = el("div", { className: "lib-toast", role: "status", hidden: true });
  const parts = { root, search, picker, count, note, place, toast };
  root.replaceChildren(el("header", {}, el("h2", {}, say("tabs.library")), count, search, add, picker), note, place, toast);
  const page = { parts, newest: new Set(), fresh: (focus) => refresh(page, focus), say: (text) => { note.textContent = text; note.hidden = !text; } };
  let timer = 0;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => page.fresh(), 150); });
  picker.addEventListener("change", () => { bring(page, [...picker.files]); picker.value = ""; });
  place.addEventListener("keydown", (event) => rowKeys(page, event));
  return page;
}

/** Gets the list and draws it; `focus` is the id of the run whose link then has the focus. */
async function refresh(page, focus = null) {
  const { search, place, count } = page.parts, query = search.value.trim();
  const mine = (page.asked = Symbol("request")); // an answer that comes late is dropped
  const { runs, found, all, kinds, problem } = await list(query);
  if (page.asked !== mine) return;
  if (problem) return page.say(problem);
  page.ids = new Set(runs.map(({ id }) => id));
  count.textContent = all ? counted(runs.length, found, all) : "";
  search.disabled = !all && !query;
  place.replaceChildren(runs.length ? table(page, runs, kinds) : all ? nothing(page, query) : empty(page));
  if (focus !== null) (linkOf(page, focus) ?? place.querySelector(".lib-open") ?? search).focus();
}

const counted = (drawn, found, all) =>
  (found < all ? say("library.count.of", { n: found, of: all }) : many("library.count", all)) + (drawn < found ? say("library.count.first", { n: drawn }) : "");

const linkOf = (page, id) => page.parts.place.querySelector(`tr[data-id="${CSS.escape(id)}"] .lib-open`);

function table(page, runs, kinds) {
  const head = COLUMNS.map(([label, className], i) => el("th", { scope: "col", className }, label || el("span", { className: "lib-unseen" }, say(i ? "library.actions" : "library.pin"))));
  return el("table", { className: "lib-table" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...runs.map((run) => row(page, run, kinds))));
}

const label = (run) => run.name || run.prompt?.trim() || run.id;

function row(page, run, kinds) {
  const name = label(run), tpf = run.tpf === null ? "–" : decimal(run.tpf.toFixed(2));
  const saved = new Date(run.created * 1000);
  const when = el("time", { dateTime: saved.toISOString(), title: saved.toLocaleString(locale) }, saved.toLocaleString(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }));
  const star = el("button", { type: "button", className: "lib-icon lib-pin", "aria-pressed": String(run.pinned), "aria-label": say("library.pin.named", { name }), title: say(run.pinned ? "library.pinned" : "library.pin.top"),
    onclick: () => done(page, act(run.id, "pin", { pinned: !run.pinned }), run.id, ".lib-pin") }, icon(STAR));
  const cells = [
    [star, "lib-star"], [about(page, run, name, tpf), "lib-about"], [run.sampler ?? "–", "lib-wide"], [run.model ?? "–", "lib-wide lib-model"],
    [number(run.nfe, 0), "lib-wide lib-digits"], [tpf, "lib-wide lib-digits"], [when, "lib-wide lib-when"], [actions(page, run, name, kinds), "lib-actions"],
  ];
  const node = el("tr", { "data-id": run.id, className: page.newest.has(run.id) ? "lib-new" : "" }, ...cells.map(([content, className]) => el("td", { className }, content)));
  if (run.pinned) node.dataset.pinned = "yes";
  return node;
}

/** Name, prompt and parent of a run; on narrow screens its numbers, too. */
function about(page, run, name, tpf) {
  const open = run.problem
    ? el("span", { className: "lib-open lib-damaged", tabIndex: -1 }, el("bdi", {}, name))
    : el("button", { type: "button", className: "lib-open", title: say("library.open"), onclick: () => inspect(run.id) }, el("bdi", {}, name));
  const rename = el("button", { type: "button", className: "lib-icon lib-rename", "aria-label": say("library.rename", { name }), title: say("library.rename.title"), onclick: () => edit(page, run, name) }, icon(PEN));
  const parent = run.parent && el("p", { className: "lib-parent" }, `${say("library.continues")} `,
    run.parent_name === null ? say("library.continues.gone") : el("button", { type: "button", onclick: () => inspect(run.parent) }, el("bdi", {}, run.parent_name)),
    run.step === null ? "" : ` ${say("library.continues.step", { step: run.step })}`);
  return el("div", {}, el("div", { className: "lib-title" }, open, rename),
    run.problem ? el("p", { className: "lib-problem" }, run.problem) : null,
    run.name && run.prompt ? el("p", { className: "lib-prompt", dir: "auto" }, run.prompt) : null, parent || null,
    run.problem ? null : el("p", { className: "lib-narrow" }, `${run.sampler} · NFE ${run.nfe} · TPF ${tpf}`));
}

function actions(page, run, name, kinds) {
  const remove = el("button", { type: "button", className: "lib-icon lib-delete", "aria-label": say("library.delete", { name }), title: say("library.delete.title"), onclick: () => remover(page, run, name) }, icon(BIN));
  const beside = run.problem ? null : el("button", { type: "button", className: "lib-icon lib-beside", "aria-label": say("library.compare.named", { name }), title: say("library.compare"), onclick: () => compare(page, run, name) }, icon(BESIDE));
  return el("div", { className: "lib-row" }, beside, makeDownloads(run.id, run.problem ? ["npz"] : kinds, name), remove);
}

/** Waits for an action, says what went wrong, and draws the list anew with the focus where it was. */
async function done(page, action, id, within = ".lib-open") {
  const { problem } = await action;
  page.say(problem ?? "");
  await page.fresh();
  page.parts.place.querySelector(`tr[data-id="${CSS.escape(id)}"] ${within}`)?.focus();
}

function inspect(id) {
  showTab("inspect");
  window.dispatchEvent(new CustomEvent("dlmviz:open", { detail: { id } }));
  document.querySelector(".dv-canvas")?.focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
}

/** Puts a field in the place of the name: Enter keeps what was typed, Escape does not. */
function edit(page, run, name) {
  const title = linkOf(page, run.id).closest(".lib-title"), old = [...title.childNodes];
  const field = el("input", { type: "text", className: "lib-field", value: run.name, maxLength: 120, placeholder: name, "aria-label": say("library.name", { name }) });
  let over = false;
  const end = (keep) => {
    if (over) return;
    over = true;
    if (keep && field.value !== run.name) return done(page, act(run.id, "rename", { name: field.value }), run.id);
    title.replaceChildren(...old);
    linkOf(page, run.id)?.focus();
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  field.addEventListener("blur", () => end(true));
  title.replaceChildren(field);
  field.focus();
  field.select();
}

async function remover(page, run, name) {
  const rows = [...page.parts.place.querySelectorAll("tr[data-id]")], at = rows.findIndex(({ dataset }) => dataset.id === run.id);
  const next = (rows[at + 1] ?? rows[at - 1])?.dataset.id ?? "";
  const { problem } = await act(run.id, "delete");
  page.say(problem ?? "");
  await page.fresh(next);
  if (!problem) offerUndo(page, run, name);
}

/** Says what was deleted, and takes it back if asked. */
const offerUndo = (page, run, name) => offer(page, "library.deleted", name, say("library.undo"), () => done(page, act(run.id, "undelete"), run.id));

/** Adds a run to the lanes of Compare, and offers to go there. */
function compare(page, run, name) {
  window.dispatchEvent(new CustomEvent("dlmviz:compare", { detail: { id: run.id } }));
  offer(page, "library.compared", name, say("library.compare.show"), () => { showTab("compare"); window.scrollTo({ top: 0 }); });
}

/** Says what was done with a run, beside a button, for a while. */
function offer(page, text, name, label, press) {
  const { toast } = page.parts;
  const hide = () => { toast.hidden = true; toast.replaceChildren(); };
  const button = el("button", { type: "button", className: "lib-button", onclick: async () => {
    hide();
    await press();
  } }, label);
  toast.replaceChildren(el("span", {}, ...around(text, () => el("bdi", {}, name))), button);
  toast.hidden = false;
  button.focus();
  clearTimeout(page.timer);
  const later = () => { if (toast.matches(":hover, :focus-within")) page.timer = setTimeout(later, 1000); else hide(); };
  page.timer = setTimeout(later, PATIENCE);
}

/** Up and Down go from run to run; Delete, F2 and p act on the one that has the focus. */
function rowKeys(page, event) {
  const node = event.target.closest("tr[data-id]");
  if (!node || !event.target.matches(".lib-open") || event.ctrlKey || event.metaKey || event.altKey) return;
  const press = (selector) => () => node.querySelector(selector).click();
  const keys = {
    ArrowDown: () => node.nextElementSibling?.querySelector(".lib-open").focus(), ArrowUp: () => node.previousElementSibling?.querySelector(".lib-open").focus(),
    Delete: press(".lib-delete"), F2: press(".lib-rename"), p: press(".lib-pin"),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

function empty(page) {
  return el("div", { className: "lib-empty" }, el("h3", {}, say("library.empty")),
    el("p", {}, say("library.empty.means")),
    el("div", { className: "lib-row" }, el("button", { type: "button", className: "lib-button lib-strong", onclick: () => showTab("inspect") }, say("library.decode")),
      el("button", { type: "button", className: "lib-button", onclick: () => page.parts.picker.click() }, say("library.file"))));
}

function nothing(page, query) {
  const clear = () => { page.parts.search.value = ""; page.parts.search.focus(); page.fresh(); };
  return el("div", { className: "lib-empty" }, el("p", {}, ...around("library.nothing", () => el("bdi", {}, query))), el("button", { type: "button", className: "lib-button", onclick: clear }, say("library.all")));
}

/** Imports files, shows the Library, and says what was refused. */
async function bring(page, files) {
  if (!files.length) return;
  page.say("");
  showTab("library");
  page.parts.count.textContent = say("library.importing");
  const { ids, problems } = await take(files);
  page.newest = new Set(ids);
  page.parts.search.value = ids.length ? "" : page.parts.search.value;
  await page.fresh(ids[0] ?? null);
  page.say(problems.join(" "));
}

function listenForDrops(page) {
  const files = (event) => event.dataTransfer?.types.includes("Files");
  const over = (on) => document.body.classList.toggle("lib-over", on);
  window.addEventListener("dragover", (event) => { if (files(event)) { event.preventDefault(); over(true); } });
  window.addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(false); });
  window.addEventListener("drop", (event) => {
    over(false);
    if (!files(event) || event.defaultPrevented) return;
    event.preventDefault();
    bring(page, [...event.dataTransfer.files]);
  });
}
