// The address of what the Compare tab shows: which runs, which clock, which moment, which place.

import { CLOCKS, now, wind } from "./compare-clock.js";

const PAUSE = 250; // ms between two writes of the address

/** Goes to the moment that the address names. */
export function go(page) {
  const parts = new URLSearchParams(location.hash.slice(1)), clock = parts.get("clock"), at = Number(parts.get("at") ?? NaN), place = Number(parts.get("place") ?? NaN);
  if (!CLOCKS.includes(clock) || !page.runs().length) return;
  wind(page.store, page.runs(), clock, Number.isFinite(at) ? (clock === "fraction" ? at / 100 : at) : null);
  if (Number.isInteger(place) && place >= 0 && place < page.store.state.run.length) page.store.set({ place });
}

/** The address of what is on screen: which runs, which clock, which moment. */
export function linkTo(page) {
  const { clock, place } = page.store.state, at = now(page.store.state);
  const ids = page.lanes.map(({ id }) => id).filter(Boolean);
  const parts = new URLSearchParams({ clock, at: clock === "fraction" ? +(100 * at).toFixed(4) : at, ...(place === null ? {} : { place }) });
  return ids.length ? new URL(`?compare=${ids.map(encodeURIComponent).join(",")}#${parts}`, document.baseURI) : null;
}

export function address(page) {
  const link = document.body.dataset.tab === "compare" && !page.decoding ? linkTo(page) : null;
  if (!link) return;
  const lang = new URLSearchParams(location.search).get("lang");
  if (lang) link.searchParams.set("lang", lang);
  if (link.href !== location.href) history.replaceState(history.state, "", link);
}

/** Writes the moment into the address: after a pause, and never while the clock runs. */
export function keepAddress(page, changed) {
  const { playing, live } = page.store.state;
  if (playing || live || page.timer || !["step", "place", "clock", "playing"].some((key) => changed.has(key))) return;
  page.timer = setTimeout(() => { page.timer = 0; if (!page.store.state.playing) address(page); }, PAUSE);
}

/** Another tab is shown: the address no longer names lanes. */
export function left() {
  const url = new URL(location.href);
  if (!url.searchParams.has("compare")) return;
  url.searchParams.delete("compare");
  if (url.hash.startsWith("#clock=")) url.hash = "";
  history.replaceState(history.state, "", url);
}
