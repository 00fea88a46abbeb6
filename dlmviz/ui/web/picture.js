// A picture as a list of shapes, drawn twice: as SVG for papers, as PNG for slides. Light, whatever
// the theme of the page is. Texts are texts: what a model writes never becomes markup.

export const INK = { paper: "#ffffff", well: "#eff0ee", text: "#1b1f24", muted: "#59636e", rule: "#d5d8d5", new: "#d55e00",
  set: "#009e73", slow: "#e69f00", fast: "#56b4e9", back: "#cc79a7" };
export const FAMILY = '"IBM Plex Sans", "Helvetica Neue", Arial, sans-serif';
const SPACE = "http://www.w3.org/2000/svg";
const LARGEST = 48e6; // pixels of a PNG: browsers draw no larger ones
const SCALE = 2; // pixels of a PNG for each one of the picture
const UNSAYABLE = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** The same text without what XML cannot hold, on one line. */
export const sayable = (text) => String(text).replace(UNSAYABLE, "\uFFFD").replace(/\s+/g, " ");

const ruler = document.createElement("canvas").getContext("2d");
const fontOf = ({ size = 13, weight = 400 }) => `${weight} ${size}px ${FAMILY}`;

/** Width of a text as it will be drawn. */
export function widthOf(text, look) {
  ruler.font = fontOf(look);
  return ruler.measureText(text).width;
}

/** The text, cut with an ellipsis where it is wider than `room`. */
export function fitted(text, room, look) {
  if (widthOf(text, look) <= room) return text;
  let short = Array.from(text);
  while (short.length && widthOf(`${short.join("")}…`, look) > room) short = short.slice(0, -1 - (short.length >> 4));
  return `${short.join("")}…`;
}

/** The text in lines no wider than `room`, `most` of them; the last one says that there is more. */
export function wrapped(text, room, look, most) {
  const lines = [""];
  const parts = text.split(" ").flatMap((word) => (widthOf(word, look) > room ? Array.from(word) : [word])); // no blanks in it
  for (const word of parts) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (widthOf(longer, look) <= room || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  const cut = lines.length > most ? [...lines.slice(0, most - 1), lines.slice(most - 1).join(" ")] : lines;
  return cut.map((line) => fitted(line, room, look));
}

/** Shapes. `look` of a text: {size, weight, fill, anchor: start | middle | end, middle: on that height}. */
export const rect = (x, y, w, h, look) => ({ tag: "rect", x, y, w, h, ...look });
export const text = (x, y, content, look = {}) => ({ tag: "text", x, y, content: sayable(content), fill: INK.text, ...look });
/** Many rectangles [x, y, w, h] of one colour. */
export const cells = (boxes, fill) => ({ tag: "path", fill, d: boxes.map(([x, y, w, h]) => `M${r(x)} ${r(y)}h${r(w)}v${r(h)}h${r(-w)}z`).join("") });
const r = (x) => Math.round(x * 100) / 100;

/** The picture as the text of an SVG file. */
export function toSvg({ width, height, title, shapes }) {
  const make = (tag, attributes, content) => {
    const node = document.createElementNS(SPACE, tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== null) node.setAttribute(name, typeof value === "number" ? r(value) : value);
    if (content !== undefined) node.textContent = content;
    return node;
  };
  const draw = {
    rect: ({ x, y, w, h, radius, fill = "none", stroke, thick, dash }) => make("rect", { x, y, width: w, height: h, rx: radius, fill, stroke, "stroke-width": thick, "stroke-dasharray": dash?.join(" ") }),
    path: ({ d, fill }) => make("path", { d, fill, "shape-rendering": "crispEdges" }),
    text: (look) => make("text", { x: look.x, y: look.y + (look.middle ? 0.36 * (look.size ?? 13) : 0), fill: look.fill, "font-size": look.size ?? 13, "font-weight": look.weight, "text-anchor": look.anchor,
      // another font on the reader's machine must not leave its cell
      textLength: look.cell ? widthOf(look.content, look) : undefined, lengthAdjust: look.cell ? "spacingAndGlyphs" : undefined, "xml:space": "preserve" }, look.content),
  };
  const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${r(height)}`, "font-family": FAMILY, role: "img" });
  svg.append(make("title", {}, sayable(title)), make("rect", { width, height, fill: INK.paper }), ...shapes.map((shape) => draw[shape.tag](shape)));
  return new XMLSerializer().serializeToString(svg);
}

/** The picture on a canvas, to be saved as PNG. */
export function toCanvas({ width, height, shapes }) {
  const scale = Math.min(SCALE, Math.sqrt(LARGEST / (width * height)));
  const canvas = document.createElement("canvas"), g = canvas.getContext("2d");
  canvas.width = Math.ceil(width * scale); canvas.height = Math.ceil(height * scale);
  g.scale(scale, scale);
  g.fillStyle = INK.paper; g.fillRect(0, 0, width, height);
  const draw = {
    rect({ x, y, w, h, radius = 0, fill, stroke, thick = 1, dash }) {
      g.beginPath(); g.roundRect(x, y, w, h, radius);
      if (fill) { g.fillStyle = fill; g.fill(); }
      if (stroke) { g.strokeStyle = stroke; g.lineWidth = thick; g.setLineDash(dash ?? []); g.stroke(); }
    },
    path({ d, fill }) { g.fillStyle = fill; g.fill(new Path2D(d)); },
    text(look) {
      g.font = fontOf(look); g.fillStyle = look.fill; g.textAlign = { middle: "center", end: "right" }[look.anchor] ?? "left";
      g.fillText(look.content, look.x, look.y + (look.middle ? 0.36 * (look.size ?? 13) : 0));
    },
  };
  for (const shape of shapes) draw[shape.tag](shape);
  return canvas;
}

/** The picture as a file of one kind. */
export async function toBlob(picture, kind) {
  if (kind === "svg") return new Blob([toSvg(picture)], { type: "image/svg+xml" });
  return new Promise((resolve) => toCanvas(picture).toBlob(resolve, "image/png"));
}
