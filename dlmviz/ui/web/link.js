// Permalinks: ?run=<id>#step=12&pos=37&metric=jsd, read when the page opens and kept while it is used.

import { el } from "./dom.js";
import { drawn, offered } from "./metrics.js";
import { say } from "./say.js";
import { select } from "./selection.js";
import { choose, goTo } from "./store.js";

const IDENTITY = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const PAUSE = 250; // ms between two writes of the address: browsers refuse more than 200 in 30 s

/** The fragment that names a place in a run. */
function fragmentOf(state) {
  const { run, step, pos, selection } = state, name = drawn(state);
  const parts = new URLSearchParams({ step });
  if (pos !== null) parts.set("pos", pos);
  if (name !== "confidence") parts.set("metric", name);
  if (selection) parts.set("span", selection.join("-"));
  return run ? `#${parts}` : "";
}

/** What others know a run by: its content hash; null until it ends. */
const nameOf = (run) => (run.text === null ? null : run.info.hash ?? run.id);

/** The link to what is on screen, without what else the address holds. */
const linkTo = (state) => new URL(`?run=${encodeURIComponent(nameOf(state.run))}${fragmentOf(state)}`, document.baseURI).href;

/** Goes to the place that a fragment names; what it cannot read, or the run does not have, is left out. */
function go(store, fragment) {
  const { run } = store.state, parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const whole = (text) => (/^\d{1,9}$/.test(text ?? "") ? Number(text) : null);
  const span = (parts.get("span") ?? "").split("-").map(whole);
  if (!run) return;
  if (whole(parts.get("step")) !== null) goTo(store, whole(parts.get("step")));
  if (whole(parts.get("pos")) !== null) choose(store, whole(parts.get("pos")));
  if (offered(run).includes(parts.get("metric"))) store.set({ metric: parts.get("metric") });
  if (span.length === 2 && !span.includes(null)) select(store, span);
}

/** Shows the run that the address names, at the step and position it names; where there is none, what
 * `otherwise` shows, with one sentence. `open(id)` resolves to whether the run is on screen. */
export async function arrive(store, open, otherwise) {
  const wanted = new URLSearchParams(location.search).get("run"), fragment = location.hash;
  const found = wanted !== null && IDENTITY.test(wanted) && (await open(wanted));
  if (!found) await otherwise();
  if (wanted === null || found) go(store, fragment);
  if (wanted !== null && !found) lost(store, wanted);
  keepAddress(store);
}

/** The sentence for a link that leads nowhere; it goes when a person opens something else. */
function lost(store, wanted) {
  const shown = wanted.length > 64 ? `${wanted.slice(0, 64)}…` : wanted;
  const sentence = say("link.none", { run: shown });
  const rest = store.state.run ? ` ${say("link.instead")}` : "";
  const box = el("div", { className: "dv-lost", role: "alert" }, el("p", {}, sentence + rest),
    el("button", { type: "button", className: "dv-toggle", onclick: () => box.remove() }, say("close")));
  document.querySelector(".dv-root").prepend(box);
  store.on((state, changed) => { if (changed.has("run")) box.remove(); });
}

/** Writes run and place into the address: after a pause, and never while the run plays or grows. */
function keepAddress(store) {
  let timer = 0;
  const write = () => {
    timer = 0;
    const { run, playing, live } = store.state;
    if (!run || playing || live || ["distil", "compare"].includes(document.body.dataset.tab)) return; // there the address names a job, or lanes
    const url = new URL(location.href);
    if (nameOf(run) !== null) url.searchParams.set("run", nameOf(run));
    else url.searchParams.delete("run");
    url.hash = fragmentOf(store.state);
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  };
  store.on((state, changed) => {
    if (!["run", "step", "pos", "metric", "selection", "playing", "live", "finished"].some((key) => changed.has(key))) return;
    clearTimeout(timer); // browsers refuse an address that changes with every step of a held key
    timer = state.playing || state.live ? 0 : setTimeout(write, PAUSE);
  });
  window.addEventListener("dlmviz:tab", ({ detail }) => { if (detail === "inspect") write(); });
  window.addEventListener("hashchange", () => go(store, location.hash)); // somebody edited the address
}

/** The Share button with its dialog. */
export function makeShare(store) {
  const link = el("textarea", { className: "dv-link", readOnly: true, rows: 3, "aria-label": say("link.label"), onfocus: () => link.select() });
  const told = el("span", { className: "dv-quiet", role: "status" });
  const note = el("p", { className: "dv-quiet" });
  const copy = el("button", { type: "button", className: "dv-jump", onclick: async () => {
    told.textContent = say((await copied(link)) ? "copied" : "copy.by_hand");
  } }, say("copy"));
  const close = el("button", { type: "button", className: "dv-toggle", onclick: () => dialog.close() }, say("close"));
  const dialog = el("dialog", { className: "dv-dialog dv-share-dialog", "aria-label": say("link.share") },
    el("h3", {}, say("link.title")), link, note, el("div", { className: "dv-actions" }, copy, close, told));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  const show = () => {
    store.set({ playing: false });
    const { state } = store, { run } = state;
    link.value = linkTo(state);
    note.textContent = `${say("link.opens", { step: state.step, steps: run.steps })} ${reach(run)}`;
    told.textContent = "";
    dialog.showModal();
    link.focus();
  };
  const button = el("button", { type: "button", className: "dv-toggle dv-share", hidden: true, title: say("link.button"), onclick: show }, say("link.share"));
  store.on(({ run, live }) => { button.hidden = !run || live || nameOf(run) === null; });
  const place = el("span", { className: "dv-sharing" }, button, dialog);
  return place;
}

const reach = (run) => say(run.info.kept === false ? "link.spare" : "link.kept");

/** Copies the text of a field; clipboards are closed to pages that come over plain http. */
export async function copied(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.select();
    return document.execCommand("copy");
  }
}
