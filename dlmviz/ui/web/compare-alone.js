// The start of lanes that were saved as one HTML page: their runs and their numbers stand in the page.

import { clockKeys, makeClock, turn, wind } from "./compare-clock.js";
import { makeDifference } from "./compare-diff.js";
import { makeStage } from "./compare-lanes.js";
import { makeTable } from "./compare-table.js";
import { el } from "./dom.js";
import { Run } from "./run.js";
import { makeStore, startClock } from "./store.js";
import { followTheme } from "./theme.js";

const { runs, table: told } = JSON.parse(document.querySelector("#run").textContent);
const store = makeStore();
store.set({ clock: "fraction", place: null, over: null });
const lanes = runs.map((header, key) => ({ key, spec: header.spec, run: new Run(header), id: header.id, pinned: true, problem: "", live: false, identity: null }));
const page = { store, lanes, told, decoding: false, runs: () => lanes.map(({ run }) => run), letter: (lane) => "ABCD"[lanes.indexOf(lane)] };
const stage = makeStage(page, makeClock(store, (clock) => turn(store, page.runs(), clock)));
const table = makeTable(page), difference = makeDifference(page), root = document.querySelector(".dv-root");
root.classList.add("cp-root");
root.replaceChildren(el("div", { className: "cp-work" }, stage.node, table.node, difference.node));
root.addEventListener("keydown", clockKeys(store), true);
store.on((state, changed) => { stage.move(state, changed); difference.move(state, changed); });
followTheme();
startClock(store);
stage.draw();
wind(store, page.runs(), "fraction", null);
table.draw();
difference.draw();
