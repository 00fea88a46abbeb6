// What the components of the main page mount, by name. `part` is what gradio gives a component's
// script: its element, its properties, and the functions that watch and trigger them.

import { mount as analyse } from "./analyse.js";
import { mount as compare } from "./compare.js";
import { mount as distil } from "./distil.js";
import { mend } from "./form.js";
import { mount as library } from "./library.js";
import { mount as run } from "./main.js";
import { mount as tabs } from "./tabs.js";

export const pages = {
  analyse: ({ element }) => analyse(element),
  compare: ({ element, props, watch, trigger }) => compare(element, props, watch, trigger),
  distil: ({ element }) => distil(element),
  form: ({ element }) => mend(element.closest("#ask")),
  library: ({ element }) => library(element),
  run: ({ element, props, watch, trigger }) => run(element, props, watch, trigger),
  tabs: ({ element }) => tabs(element),
};
