// Making elements. Text always goes in as text: what a model writes never becomes markup.

/** An element with properties, attributes (data-*, aria-*, role) and children. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && !name.includes("-")) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An icon: a 24 x 24 path, drawn in the colour of the text. */
export function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

const SPECIAL = /^<\|?([\w./-]+)\|?>$|^\[([A-Za-z_]+)\]$/;
const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

/** How a piece stands on the canvas: {text, kind, gap, breaks}; kind is word, special or byte. */
export function shown(piece, isEos = false) {
  if (piece === undefined || piece === "") return { text: "∅", kind: "special", gap: false, breaks: false };
  const byte = piece.match(BYTE);
  if (byte) return { text: byte[1].toUpperCase(), kind: "byte", gap: false, breaks: false };
  const special = piece.match(SPECIAL);
  if (special) return { text: isEos ? "eos" : special[1] ?? special[2], kind: "special", gap: false, breaks: false };
  const gap = piece.startsWith(" ") && piece.length > 1;
  const body = (gap ? piece.slice(1) : piece)
    .replaceAll("\t", "⇥").replaceAll("\n", "↵").replace(/^ +$/, (s) => "␣".repeat(s.length));
  return { text: body, kind: "word", gap, breaks: piece.includes("\n") };
}

/** A piece named in a sentence or a list: quotes would be noise, blanks must be seen. */
export const named = (piece) =>
  piece === undefined || piece === "" ? "∅" : piece.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣");

/** Settings of a sampler in words: of a folder its name alone, which is what tells it from others. */
export const knobs = (params) =>
  Object.entries(params).map(([name, value]) => `${name} ${typeof value === "string" ? value.split(/[\\/]/).filter(Boolean).at(-1) ?? "" : value}`);
