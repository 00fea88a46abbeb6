// The button of the run view that puts its run beside others.

import { el } from "./dom.js";
import { say } from "./say.js";

export function makeBeside(store) {
  const press = () => {
    const { run } = store.state;
    window.dispatchEvent(new CustomEvent("dlmviz:compare", { detail: { id: run.info.hash ?? run.id, show: true } }));
  };
  const button = el("button", { type: "button", className: "dv-toggle dv-beside", hidden: true, title: say("main.compare.title"), onclick: press }, say("main.compare"));
  store.on(({ run, live }) => { button.hidden = !run?.id || live || run.text === null; });
  return button;
}
