// Our own Plotly, which only the pages that draw with it load.

import { el } from "./dom.js";
import { say } from "./say.js";

const SCRIPT = new URL("dlmviz/plotly.js", document.baseURI).href;

let ours = null; // another one on the page may take over window.Plotly later

/** Plotly of this version, loaded once. What another component keeps in window.Plotly stays there. */
export async function plotly(version) {
  ours ??= load(version).catch((error) => { ours = null; throw error; });
  return ours;
}

async function load(version) {
  const theirs = window.Plotly;
  await new Promise((resolve, reject) => {
    const fail = () => reject(new Error(say("film.script")));
    document.head.append(el("script", { src: `${SCRIPT}?v=${encodeURIComponent(version)}`, onload: resolve, onerror: fail }));
  });
  const came = window.Plotly;
  if (came?.version !== version) throw new Error(say("film.version", { needed: version, came: came?.version }));
  if (theirs) window.Plotly = theirs;
  return came;
}
