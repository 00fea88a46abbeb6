// What colours and marks of the tokens mean.

import { el } from "./dom.js";
import { CIVIDIS } from "./palette.js";
import { pieceOf } from "./pieces.js";
import { many, say } from "./say.js";
import { badge } from "./tokens.js";

/** The scale of the cells, with numbers. */
export function makeScale() {
  const bins = CIVIDIS.map((colour) => el("i", { style: `background:${colour}` }));
  return el("div", { className: "dv-scale", role: "img", "aria-label": say("tokens.scale") },
    el("span", {}, say("tokens.scale.low")), el("span", { className: "dv-bins" }, ...bins), el("span", {}, "100 %"));
}

/** What the marks on tokens mean: only those that this run has. */
export function makeLegend(store) {
  const legend = el("p", { className: "dv-legend", role: "note", "aria-label": say("tokens.legend") });
  const item = (text, ...swatch) => el("span", {}, el("i", { className: "dv-swatch", "aria-hidden": "true" }, ...swatch), text);
  const bar = (name) => el("span", { className: `dv-mark ${name}` });
  const edit = (kind, text) => item(text, el("span", { className: "dv-mark dv-hand" }, badge(kind)));
  let known = "";
  store.on(({ run, edits, asked }, changed) => {
    if (!run || !["run", "grown", "edits", "asked"].some((key) => changed.has(key))) return;
    const kinds = new Set(Array.from(edits?.values() ?? [], ({ kind }) => kind));
    const has = [["new", true], ["slow", run.signals.has("slow")], ["set", run.signals.has("independent")], ["piece", pieceOf(run.spec) !== null],
      ["back", run.records.some(({ remasked }) => remasked.length)], ["asked", Boolean(asked?.sets?.size)], ...["pin", "replace", "remask"].map((kind) => [kind, kinds.has(kind)])]
      .filter(([, there]) => there).map(([name]) => name);
    if (known === `${has} ${pieceOf(run.spec)}`) return;
    known = `${has} ${pieceOf(run.spec)}`;
    const make = {
      new: () => [item(say("tokens.new"), el("span", { className: "dv-mark dv-fresh" }))],
      slow: () => [item(say("slow"), bar("dv-slow")), item(say("fast"), bar("dv-fast"))],
      set: () => [item(say("set.independent"), bar("dv-in-set"))],
      piece: () => [item(many("tokens.piece", pieceOf(run.spec)), el("span", { className: "dv-bracket-key" }))],
      back: () => [item(say("taken.back"), el("span", { className: "dv-mark dv-taken-back" }, badge("remask")))],
      asked: () => [item(say("tokens.asked"), bar("dv-asked-key"))],
      pin: () => [edit("pin", say("tokens.pin"))], replace: () => [edit("replace", say("tokens.replace"))], remask: () => [edit("remask", say("tokens.remask"))],
    };
    legend.replaceChildren(...has.flatMap((name) => make[name]()));
  });
  return legend;
}
