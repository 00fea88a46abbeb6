// The tabs above the page. All pages stay alive: CSS hides those that are not shown.

import { el } from "./dom.js";
import { say } from "./say.js";

const NAMES = { train: "distil" }; // as the page is called, and as its links have always been
const PAGES = ["inspect", "compare", "analyse", "library", "distil"];
export const tabs = PAGES;

/** Fills the bar once. `?tab=library` in the address opens the Library, `train` the page for training. */
export function mount(element) {
  const bar = element.querySelector(".lib-tabs");
  if (!bar || bar.dataset.mounted) return;
  bar.dataset.mounted = "yes";
  bar.setAttribute("aria-label", say("tabs.label"));
  const buttons = PAGES.map((name) => el("button", { type: "button", "data-page": name, onclick: () => showTab(name) }, say(`tabs.${name}`)));
  const learn = el("a", { href: new URL("learn", document.baseURI).href }, say("tabs.learn"));
  bar.replaceChildren(...buttons, learn);
  window.addEventListener("dlmviz:tab", ({ detail }) => {
    for (const button of buttons)
      if (button.dataset.page === detail) button.setAttribute("aria-current", "page");
      else button.removeAttribute("aria-current");
  });
  const query = new URLSearchParams(location.search), given = query.get("tab"), asked = NAMES[given] ?? given;
  showTab(PAGES.includes(asked) ? asked : query.has("compare") ? "compare" : "inspect");
}

/** Shows one page, and says so to whoever wants to be fresh when seen. */
export function showTab(name) {
  document.body.dataset.tab = name;
  const address = new URL(location.href);
  if (name === "inspect") address.searchParams.delete("tab");
  else address.searchParams.set("tab", name);
  if (address.href !== location.href) history.replaceState(history.state, "", address);
  window.dispatchEvent(new CustomEvent("dlmviz:tab", { detail: name }));
}
