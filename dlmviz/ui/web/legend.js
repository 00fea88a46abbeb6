// What colours and marks of the tokens mean.

import { el } from "./dom.js";
import { CIVIDIS } from "./palette.js";
import { badge } from "./tokens.js";

/** The scale of the cells, with numbers. */
export function makeScale() {
  const bins = CIVIDIS.map((colour) => el("i", { style: `background:${colour}` }));
  return el("div", { className: "dv-scale", role: "img", "aria-label": "Colour of a token: the model's confidence when it was written, dark blue is 0 percent, yellow is 100 percent" },
    el("span", {}, "confidence 0"), el("span", { className: "dv-bins" }, ...bins), el("span", {}, "100 %"));
}

/** What the marks on tokens mean: only those that this run has. */
export function makeLegend(store) {
  const legend = el("p", { className: "dv-legend", role: "note", "aria-label": "Marks on tokens" });
  const item = (text, ...swatch) => el("span", {}, el("i", { className: "dv-swatch", "aria-hidden": "true" }, ...swatch), text);
  const bar = (name) => el("span", { className: `dv-mark ${name}` });
  const edit = (kind, text) => item(text, el("span", { className: "dv-mark dv-hand" }, badge(kind)));
  let known = "";
  store.on(({ run, edits, asked }, changed) => {
    if (!run || !["run", "grown", "edits", "asked"].some((key) => changed.has(key))) return;
    const kinds = new Set(Array.from(edits?.values() ?? [], ({ kind }) => kind));
    const has = [["new", true], ["slow", run.signals.has("slow")], ["set", run.signals.has("independent")],
      ["back", run.records.some(({ remasked }) => remasked.length)], ["asked", Boolean(asked?.sets?.size)], ...["pin", "replace", "remask"].map((kind) => [kind, kinds.has(kind)])]
      .filter(([, there]) => there).map(([name]) => name);
    if (known === has.join()) return;
    known = has.join();
    const make = {
      new: () => [item("new", el("span", { className: "dv-mark dv-fresh" }))],
      slow: () => [item("slow", bar("dv-slow")), item("fast", bar("dv-fast"))],
      set: () => [item("independent set", bar("dv-in-set"))],
      back: () => [item("taken back", el("span", { className: "dv-mark dv-taken-back" }, badge("remask")))],
      asked: () => [item("chosen by the other sampler", bar("dv-asked-key"))],
      pin: () => [edit("pin", "pinned by hand")], replace: () => [edit("replace", "replaced by hand")], remask: () => [edit("remask", "masked by hand")],
    };
    legend.replaceChildren(...has.flatMap((name) => make[name]()));
  });
  return legend;
}
