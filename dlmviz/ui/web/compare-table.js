// The numbers of the lanes beside each other, as the server counts them, to read and to take away.

import { ask, fileOf } from "./compare-ask.js";
import { named } from "./compare-form.js";
import { el } from "./dom.js";
import { copied } from "./link.js";
import { number, percent } from "./palette.js";
import { many, say } from "./say.js";

const NUMBERS = [["nfe", 0], ["steps", 0], ["tokens", 0], ["tpf", 2], ["afp", 2], ["kendall_tau_b", 2], ["segments", 1], ["agreement", -1], ["parts_at", 0], ["other_token_at", 0]];
const NOTES = ["unknown", "unfinished", "vocabulary", "prompt"];

export function makeTable(page) {
  const place = el("div", { className: "cp-scroll", tabIndex: 0, role: "region", "aria-label": say("compare.numbers") }), notes = el("ul", { className: "cp-notes" });
  const link = el("input", { type: "text", className: "cp-link", readOnly: true, "aria-label": say("link.label"), hidden: true }), told = el("span", { className: "dv-quiet", role: "status" });
  const share = el("button", { type: "button", className: "dv-toggle cp-share", onclick: async () => {
    link.value = page.link()?.href ?? "";
    link.hidden = false;
    told.textContent = say((await copied(link)) ? "copied" : "copy.by_hand");
  } }, say("compare.share"));
  const files = ["html", "csv", "json"].map((kind) => el("a", { className: "dv-save", download: "", title: say(`compare.file.${kind}`), "data-kind": kind }, kind.toUpperCase()));
  const node = el("section", { className: "dv-panel cp-numbers", "aria-label": say("compare.numbers") },
    el("header", {}, el("h3", {}, say("compare.numbers")), el("div", { className: "dv-tools" }, told, link, share, ...files)), notes, place);
  let asked = "";
  return {
    node,
    draw: async () => {
      const ids = page.lanes.map(({ id, run, live }) => (run && !live ? id : null)).filter(Boolean);
      node.hidden = !ids.length;
      if (ids.join() === asked) return;
      asked = ids.join();
      link.hidden = true;
      told.textContent = "";
      if (!ids.length) return;
      place.setAttribute("aria-busy", "true"); // what stands there is of other lanes
      const answer = page.told ?? (await ask.table(ids));
      if (ids.join() !== asked) return; // other lanes meanwhile
      place.removeAttribute("aria-busy");
      if (answer.problem) { asked = ""; return place.replaceChildren(el("p", { className: "dv-refused" }, answer.problem)); }
      for (const file of files) file.href = fileOf(ids, file.dataset.kind);
      place.replaceChildren(table(page, answer.lanes));
      notes.replaceChildren(...NOTES.filter((kind) => answer.notes[kind]).map((kind) => el("li", { "data-note": kind }, sentence(page, answer, kind))));
    },
  };
}

function sentence(page, { notes }, kind) {
  const lanes = notes[kind].map((id) => { const lane = page.lanes.find((one) => one.id === id); return lane ? page.letter(lane) : id; });
  return say(`compare.note.${kind}`, { lanes: lanes.join(", ") });
}

function table(page, lanes) {
  const row = (key, cell) => el("tr", { "data-row": key }, el("th", { scope: "row", title: say(`compare.row.${key}.means`) }, say(`compare.row.${key}`)), ...lanes.map((lane, i) => el("td", {}, cell(lane, i))));
  const verdict = ({ correct }) => (correct === null ? "–" : el("span", { className: "dv-badge", "data-correct": String(correct) }, say(correct ? "answer.correct" : "answer.wrong")));
  const value = ([key, digits]) => (lane, i) => {
    if (key === "segments") return lane.segments_max === null ? "–" : say("compare.segments", { most: number(lane.segments_max, 0), mean: number(lane.segments_mean, digits) });
    if (!i && ["agreement", "parts_at", "other_token_at"].includes(key)) return "";
    if (key === "agreement") return lane.agreement === 0 ? "0 %" : percent(lane.agreement);
    if (key.endsWith("_at")) return lane[key] === null ? say(lane.agreement === null ? "compare.undefined" : "compare.never") : many("compare.at.step", lane[key]);
    return lane[key] === null ? say("compare.undefined") : number(lane[key], digits);
  };
  const heads = lanes.map((lane) => { const { rule, model } = named(lane); return el("th", { scope: "col" }, el("span", { className: "cp-letter", "data-letter": lane.lane }, lane.lane), el("b", {}, rule), el("small", {}, model)); });
  return el("table", { className: "cp-table" }, el("caption", { className: "dv-unseen" }, say("compare.numbers")), el("thead", {}, el("tr", {}, el("td", {}), ...heads)),
    el("tbody", {}, row("text", ({ text }) => el("span", { className: "dv-text", dir: "auto" }, text || "–")), row("correct", verdict), ...NUMBERS.map((entry) => row(entry[0], value(entry)))));
}
