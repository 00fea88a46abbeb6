// "For your slides": the order of the run on screen as a Plotly animation. Nothing of it is loaded
// before the panel is opened. Frames are named by the step they show.

import { el, named } from "./dom.js";
import { percent } from "./palette.js";
import { plotly } from "./plotly.js";
import { language, say, translated } from "./say.js";
import { choose, goTo } from "./store.js";

const FIGURES = new URL("dlmviz/figure/order/", document.baseURI).href;
const AT_ONCE = { mode: "immediate", transition: { duration: 0 }, frame: { duration: 0, redraw: true } };
const TOTAL = 8000, QUICKEST = 60, SLOWEST = 800; // [ms] of a whole run, and of one step

let PL = null; // our own Plotly, once it is there

export function makeAnimation(store) {
  const parts = build();
  const { panel, stage, play, slider, label, status, actions, html, table, twin } = parts;
  const film = { run: null, names: [], at: 0, playing: false, templates: null, busy: false, wanted: null };
  let asked = 0; // number of the newest request: an answer that comes late is dropped

  const tell = (text) => { status.textContent = text; status.hidden = !text; };

  function told() {
    const last = film.names.at(-1), name = film.names[film.at];
    slider.value = String(film.at);
    slider.style.setProperty("--done", `${(100 * film.at) / Math.max(1, film.names.length - 1)}%`);
    slider.setAttribute("aria-valuetext", say("run.at", { step: name, steps: last }));
    label.textContent = say("film.step", { step: name, steps: last });
    play.textContent = say(film.playing ? "film.pause" : "film.play");
    panel.dataset.frame = name;
  }

  async function show(run) {
    const mine = ++asked;
    pause();
    film.run = run;
    for (const part of [play, slider, actions, twin]) part.inert = true;
    if (run.text === null || !run.id) return tell(say("film.later"));
    tell(say(PL ? "film.making" : "film.making.first"));
    const query = `?width=${Math.round(Math.max(240, Math.min(4000, stage.clientWidth)))}&lang=${language}`;
    const made = await fetched(run.id, query).catch((error) => ({ problem: error.message }));
    if (mine !== asked) return;
    if (made.problem) return tell(say("film.not", { problem: translated(made.problem) }));
    await draw(made, query);
    for (const part of [play, slider, actions, twin]) part.inert = false;
    if (twin.open) fill(table, run);
    tell("");
  }

  async function draw({ data, layout, frames, config, templates }, query) {
    Object.assign(film, { names: frames.map((frame) => frame.name), at: 0, playing: false, templates });
    html.href = `${FIGURES}${encodeURIComponent(film.run.id)}.html${query}${dark() ? "&theme=dark" : ""}`;
    slider.max = String(film.names.length - 1);
    stage.style.height = `${layout.height}px`; // a figure that follows its window takes the height from here
    film.width = stage.clientWidth;
    await PL.newPlot(stage, data, { ...layout, template: templates[dark() ? "dark" : "light"] }, { ...config, displayModeBar: false });
    await PL.addFrames(stage, frames);
    stage.on("plotly_animatingframe", ({ name }) => { film.at = Math.max(0, film.names.indexOf(name)); told(); });
    stage.on("plotly_click", ({ points: [point] }) => {
      if (!point?.customdata) return;
      goTo(store, Number(film.names[film.at]));
      choose(store, point.customdata[1]);
    });
    panel.dataset.frames = String(frames.length);
    told();
  }

  /** Shows one frame. While one is drawn, only the newest wish is kept. */
  async function seek(index) {
    film.wanted = Math.max(0, Math.min(film.names.length - 1, index));
    if (film.busy) return;
    film.busy = true;
    while (film.wanted !== null) {
      const name = film.names[film.wanted];
      film.wanted = null;
      await PL.animate(stage, [name], AT_ONCE).catch(() => {}); // another one took its place
    }
    film.busy = false;
  }

  function start() {
    const from = film.at >= film.names.length - 1 ? 0 : film.at + 1;
    const duration = Math.max(QUICKEST, Math.min(SLOWEST, TOTAL / film.names.length));
    film.playing = true;
    told();
    const mine = asked;
    PL.animate(stage, film.names.slice(from), { ...AT_ONCE, frame: { duration, redraw: true } })
      .then(() => { if (mine === asked) { film.playing = false; told(); } }, () => {});
  }

  function pause() {
    if (!film.playing) return;
    film.playing = false;
    PL.animate(stage, [null], AT_ONCE).catch(() => {});
    told();
  }

  async function save(format) {
    const url = await PL.toImage(stage, { format, scale: format === "png" ? 2 : 1, width: stage.clientWidth, height: stage.clientHeight });
    el("a", { href: url, download: `dlmviz-order-${film.run.id}-step-${film.names[film.at]}.${format}` }).click();
  }

  play.addEventListener("click", () => (film.playing ? pause() : start()));
  slider.addEventListener("input", () => { pause(); seek(Number(slider.value)); });
  for (const format of ["png", "svg"]) parts[format].addEventListener("click", () => save(format));
  let wider = 0; // rows are as long as the figure was wide: for quite another width it is made anew
  new ResizeObserver(() => {
    clearTimeout(wider);
    const width = stage.clientWidth;
    if (!panel.open || !width || !film.templates || Math.abs(width - film.width) < 0.2 * film.width) return;
    wider = setTimeout(async () => { const { at } = film; await show(film.run); if (at) seek(at); }, 300);
  }).observe(stage);
  twin.addEventListener("toggle", () => { if (twin.open && film.run) fill(table, film.run); });
  panel.addEventListener("toggle", () => {
    const { run } = store.state;
    if (!panel.open) pause();
    else if (run && run !== film.run) show(run);
  });
  store.on((state, changed) => {
    const ended = changed.has("finished") || changed.has("live"); // what was there may be longer now
    if (ended && !panel.open) film.run = null;
    if (panel.open && state.run && (state.run !== film.run || ended)) show(state.run);
    if (changed.has("theme") && film.templates && PL) {
      PL.relayout(stage, { template: film.templates[dark() ? "dark" : "light"] });
      html.href = html.href.replace(/&theme=dark$/, "") + (dark() ? "&theme=dark" : "");
    }
  });
  return panel;
}

function build() {
  const stage = el("div", { className: "dv-stage", role: "img", "aria-label": say("film.stage") });
  const play = el("button", { type: "button", className: "dv-film-play" }, say("film.play"));
  const slider = el("input", { type: "range", className: "dv-slider", min: "0", max: "0", value: "0", "aria-label": say("film.slider") });
  const label = el("span", { className: "dv-film-label" });
  const status = el("p", { className: "dv-quiet", role: "status" });
  const html = el("a", { className: "dv-save", download: "", title: say("film.html.title") }, say("film.html"));
  const image = (format) => el("button", { type: "button", className: "dv-toggle", title: say("film.image", { format }) }, format.toUpperCase());
  const png = image("png"), svg = image("svg");
  const actions = el("span", { className: "dv-toggles" }, html, png, svg);
  const table = el("div", { className: "dv-table", tabIndex: 0, role: "region", "aria-label": say("film.every") });
  const twin = el("details", { className: "dv-twin" }, el("summary", {}, say("show.table")), table);
  const panel = el("details", { className: "dv-panel dv-film" },
    el("summary", {}, el("h3", {}, say("film.title"))),
    el("p", { className: "dv-quiet" }, say("film.means")),
    el("div", { className: "dv-film-bar" }, play, slider, label, actions), status, stage, twin);
  return { panel, stage, play, slider, label, status, actions, html, png, svg, table, twin };
}

const dark = () => document.body.classList.contains("dark");

/** The figure of a run, or {problem}; afterwards our Plotly is there. */
async function fetched(id, query) {
  const answer = await fetch(FIGURES + encodeURIComponent(id) + query);
  const made = await answer.json();
  if (made.problem) return made;
  PL ??= await plotly(made.version);
  return made;
}

/** One row a step: what was written where, how surely, and what was taken back. */
function fill(table, run) {
  const rows = run.records.map((record, i) => {
    const written = record.positions.map((position, n) => say("film.written", { token: named(run.piece(record.tokens[n])), pos: position, sure: percent(run.sureness[i + 1][position]) }));
    return el("tr", {}, el("th", { scope: "row" }, String(i + 1)), el("td", {}, written.join(", ") || "–"), el("td", {}, record.remasked.join(", ") || "–"));
  });
  table.replaceChildren(el("table", {}, el("caption", {}, say("film.every")),
    el("thead", {}, el("tr", {}, ...["step", "film.columns.written", "taken.back"].map((key) => el("th", { scope: "col" }, say(key))))), el("tbody", {}, ...rows)));
}
