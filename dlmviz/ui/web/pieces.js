// The pieces that a local model writes together (CoDiLA): a grid from the start of every block, which
// the end of the block cuts. Known from the settings of the run alone.

const PIECE = 8; // the sampler's own; a run says only what was changed

/** The tokens of a piece; null for runs of other samplers. */
export function pieceOf({ sampler, params = {} }) {
  const drafted = params.base === "codila";
  if (sampler !== "codila" && !drafted) return null;
  const size = params[drafted ? "base.piece" : "piece"] ?? PIECE;
  return Number.isInteger(size) && size > 0 ? size : null;
}

/** Which place in its piece a position has, in classes: an edge is drawn at either end. */
export function placeOf(run, pos, size) {
  const wide = run.spec.block_length, inBlock = (((pos - run.promptLength) % wide) + wide) % wide, at = inBlock % size;
  return ["dv-bracket", ...(at === 0 || pos === run.offset ? ["dv-bracket-first"] : []),
    ...(at === size - 1 || inBlock === wide - 1 || pos === run.length - 1 ? ["dv-bracket-last"] : [])];
}
