// Which runs a study measures: new ones, or some that exist. Those are chosen in the Library, to which
// files that are added or dropped here go first; a file that is no run has a sentence.

import { el } from "./dom.js";
import { many, say } from "./say.js";
import { list, take } from "./shelf.js";

const PAUSE = 150; // ms after the last letter of a search

/** `turned` hears whether runs that exist are measured. */
export function makeRuns(turned) {
  const node = el("fieldset", { className: "an-runs" }), view = { node, existing: false, chosen: new Set(), seen: [], refused: [], asked: null };
  const pick = (existing) => () => { view.existing = existing; view.place.hidden = !existing; turned(existing); if (existing) refresh(view); };
  const radio = (existing) => el("label", { className: "di-choice" }, el("input", { type: "radio", name: "an-source", value: existing ? "existing" : "new", checked: !existing, onchange: pick(existing) }), el("span", {}, say(existing ? "analyse.runs.existing" : "analyse.runs.new")));
  view.choices = [radio(false), radio(true)];
  node.append(el("legend", {}, say("analyse.runs")), el("div", { className: "di-choices", role: "radiogroup", "aria-label": say("analyse.runs") }, ...view.choices), build(view));
  return {
    node,
    /** Ids of the runs, and files that are none with the reason; null where new runs are decoded. */
    given: () => (view.existing ? { runs: [...view.chosen], refused: view.refused } : null),
    listen: (panel) => listenForDrops(view, panel),
  };
}

function build(view) {
  const picker = el("input", { type: "file", accept: ".npz", multiple: true, hidden: true, onchange: () => { bring(view, [...picker.files]); picker.value = ""; } });
  const add = el("button", { type: "button", className: "di-button", onclick: () => picker.click() }, say("analyse.runs.add"));
  const all = (on) => () => { for (const { id } of view.seen) if (on) view.chosen.add(id); else view.chosen.delete(id); draw(view); };
  const button = (key, press) => el("button", { type: "button", className: "di-button", onclick: press }, say(key));
  let timer = 0;
  view.search = el("input", { type: "search", className: "an-search", placeholder: say("library.search"), "aria-label": say("library.search.label"), oninput: () => { clearTimeout(timer); timer = setTimeout(() => refresh(view), PAUSE); } });
  view.count = el("p", { className: "di-quiet", role: "status" });
  view.rows = el("ul", { className: "an-picks", "aria-label": say("analyse.runs.existing") });
  view.note = el("ul", { className: "an-refused", hidden: true });
  view.place = el("div", { className: "an-place", hidden: true },
    el("p", { className: "di-quiet" }, say("analyse.runs.how")), el("div", { className: "di-row" }, add, picker), view.note, view.search, view.rows,
    el("div", { className: "di-row" }, view.count, button("analyse.runs.all", all(true)), button("analyse.runs.none", all(false))));
  return view.place;
}

/** Gets the list of the Library anew; an answer that comes late is dropped. */
async function refresh(view) {
  const mine = (view.asked = Symbol("request"));
  const told = await list(view.search.value.trim());
  if (view.asked !== mine) return;
  if (told.problem) { view.count.textContent = told.problem; return; }
  view.seen = told.runs.filter(({ problem }) => !problem);
  if (!told.all) view.chosen.clear();
  draw(view);
}

function draw(view) {
  view.rows.replaceChildren(...view.seen.map((run) => pick(view, run)));
  view.rows.hidden = !view.seen.length;
  count(view);
}

const count = (view) => { view.count.textContent = many("analyse.runs.chosen", view.chosen.size, { of: view.seen.length }); };

function pick(view, run) {
  const box = el("input", { type: "checkbox", value: run.id, checked: view.chosen.has(run.id), onchange: () => { if (box.checked) view.chosen.add(run.id); else view.chosen.delete(run.id); count(view); } });
  return el("li", {}, el("label", { className: "di-choice" }, box, el("span", {}, el("bdi", {}, run.name || run.prompt || run.id), el("small", {}, `${run.model} · ${run.sampler} · ${run.id}`))));
}

/** Files become runs of the Library, and are chosen. */
async function bring(view, files) {
  if (!files.length) return;
  view.count.textContent = say("library.importing");
  const { ids, refused } = await take(files, (done) => { view.count.textContent = say("analyse.runs.importing", { done, all: files.length }); });
  for (const id of ids) view.chosen.add(id);
  view.refused.push(...refused);
  view.note.replaceChildren(...view.refused.map(({ problem }) => el("li", { dir: "auto" }, problem)));
  view.note.hidden = !view.refused.length;
  view.search.value = "";
  await refresh(view);
}

/** Files that are dropped on the form are not the Library's alone. */
function listenForDrops(view, panel) {
  panel.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    view.choices[1].querySelector("input").click();
    bring(view, [...event.dataTransfer.files]);
  });
}
