// The start of a run that was saved as one HTML page: the run stands in the page itself.

import { mount } from "./main.js";
import { followTheme } from "./theme.js";

followTheme();

// Keys that would ask a server, or edit a run that cannot go on here.
const NEEDS_SERVER = new Set(["p", "m", "o", "Enter", "Delete"]);
document.addEventListener("keydown", (event) => {
  if (NEEDS_SERVER.has(event.key) && event.target.matches(".dv-canvas")) event.stopPropagation();
}, true);

const run = JSON.parse(document.querySelector("#run").textContent);
mount(document.body, { value: JSON.stringify({ type: "show", run }) }, () => {}, () => {});
