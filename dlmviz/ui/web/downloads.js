// The download menu of a run: plain links, and the code of a notebook cell to copy.

import { el } from "./dom.js";
import { language, say } from "./say.js";

const EXPORT = new URL("dlmviz/export/", document.baseURI).href;
const KINDS = {
  npz: [say("download.npz"), say("download.npz.means")],
  html: [say("download.html"), say("download.html.means")],
  json: ["JSON", say("download.json.means")],
  csv: ["CSV", say("download.csv.means")],
  parquet: ["Parquet", say("download.csv.means")],
};

/** A button that opens the menu of one run; `kinds` are those the server can make. */
export function makeDownloads(id, kinds, name) {
  const address = (kind) => `${EXPORT}${encodeURIComponent(id)}.${kind}${kind === "html" ? `?lang=${language}` : ""}`;
  const links = kinds.filter((kind) => kind in KINDS).map((kind) => {
    const [label, about] = KINDS[kind];
    return el("a", { href: address(kind), download: "", title: about, "data-kind": kind }, el("b", {}, label), el("span", {}, about));
  });
  const cell = kinds.includes("cell")
    ? el("button", { type: "button", "data-kind": "cell", onclick: () => { menu.open = false; showCell(address("cell")); } }, el("b", {}, say("download.cell")), el("span", {}, say("download.cell.means")))
    : null;
  const missing = kinds.includes("parquet") ? null
    : el("p", { "data-kind": "no-parquet" }, el("b", {}, "Parquet"), el("span", {}, say("download.pyarrow")));
  const summary = el("summary", { className: "lib-button", "aria-label": say("download.named", { name }), title: say("download") }, say("download"));
  const list = el("div", { className: "lib-list" }, ...links, missing, cell);
  const menu = el("details", { className: "lib-menu" }, summary, list);
  list.addEventListener("click", (event) => { if (event.target.closest("a")) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    summary.focus();
  });
  menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget) && event.relatedTarget) menu.open = false; });
  menu.addEventListener("toggle", () => {
    if (!menu.open) return;
    for (const other of document.querySelectorAll(".lib-menu[open]")) if (other !== menu) other.open = false;
    const room = window.innerHeight - summary.getBoundingClientRect().bottom;
    menu.classList.toggle("lib-above", room < list.offsetHeight + 16);
  });
  return menu;
}

document.addEventListener("pointerdown", (event) => {
  for (const menu of document.querySelectorAll(".lib-menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

/** A dialog with the code, selected, so that it can be copied wherever clipboards are closed. */
async function showCell(address) {
  const answer = await fetch(address).catch(() => null);
  const text = answer?.ok ? await answer.text() : say("answers.not");
  const field = el("textarea", { className: "lib-code", readOnly: true, rows: 13, value: text, spellcheck: false, "aria-label": say("download.code") });
  const told = el("span", { className: "lib-quiet", role: "status" });
  const copy = el("button", { type: "button", className: "lib-button lib-strong", onclick: async () => {
    field.select();
    const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    told.textContent = say(done || document.execCommand("copy") ? "copied" : "copy.by_hand");
  } }, say("copy"));
  const close = el("button", { type: "button", className: "lib-button", onclick: () => dialog.close() }, say("close"));
  const dialog = el("dialog", { className: "lib-dialog", "aria-label": say("download.cell") },
    el("h3", {}, say("download.cell")), field, el("div", { className: "lib-row" }, copy, close, told));
  dialog.addEventListener("close", () => dialog.remove());
  document.querySelector(".lib-root").append(dialog);
  dialog.showModal();
  field.select();
}
