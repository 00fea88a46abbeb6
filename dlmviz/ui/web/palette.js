// Colours of numbers: cividis in ten bins, safe for every colour vision; text black or white.

import { decimal } from "./say.js";

export const CIVIDIS = [
  "#00224e", "#123570", "#3b496c", "#575d6d", "#707173",
  "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
];

/** The bin 0..9 of a share in [0, 1]. */
export const bin = (share) => Math.max(0, Math.min(9, Math.floor(share * 10)));

/** [r, g, b] of each bin. */
export const RGB = CIVIDIS.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));

/** "93.1 %": one decimal, and honest about what rounds to nothing or to everything. */
export function percent(p) {
  if (p === undefined || p === null || Number.isNaN(p)) return "–";
  if (p < 0.0005) return decimal("<0.1 %");
  if (p < 1 && p >= 0.9995) return decimal(">99.9 %");
  return decimal(`${(p * 100).toFixed(1)} %`);
}

/** A number with at most `digits` decimals, or a dash. */
export const number = (x, digits = 2) =>
  x === null || x === undefined || !Number.isFinite(x) ? "–" : decimal(+x.toFixed(digits));
