// The room of the cells: measured once, then fixed, so that what is written in a cell later does not
// lay out all the others again. At 1,024 tokens this is most of what a step costs.

/** Answers `fit(cells)`, which fixes the width of these cells; `all` are the cells there are. */
export function makeRoom(canvas, all) {
  let font = "";
  function fit(cells) {
    const boxes = Array.from(cells, ({ box }) => box);
    for (const box of boxes) { box.classList.remove("dv-fixed"); box.style.width = ""; }
    const widths = boxes.map((box) => box.getBoundingClientRect().width);
    if (!widths.some(Boolean)) { font = ""; return; } // hidden: measured when it is seen
    boxes.forEach((box, i) => { box.style.width = `${widths[i]}px`; box.classList.add("dv-fixed"); });
  }
  const again = () => { if (all.size) fit(all.values()); };
  new ResizeObserver(() => { // also when it comes into sight
    const now = canvas.clientWidth ? getComputedStyle(canvas).fontSize : "";
    if (now === font) return;
    font = now;
    if (now) again();
  }).observe(canvas);
  document.fonts?.ready.then(again);
  return fit;
}
