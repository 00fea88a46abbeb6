// What the page says, in the language of the document, which the head of the page has chosen.

import { WORDS } from "./words.js";

const { lang } = document.documentElement;
export const language = Object.hasOwn(WORDS, lang) ? lang : "en";
const TABLE = WORDS[language];
const HOLE = /\{(\w+)\}/g;

/** How dates are written: as the browser's user does, where that is the language of the page. */
export const locale = navigator.languages?.find((code) => code.startsWith(language)) ?? language;

/** The text of a key, with its {values}. */
export const say = (key, values = {}) => TABLE[key].replace(HOLE, (_, name) => values[name]);

/** Whether there is a text of this key: of what the server names, there may be none. */
export const has = (key) => Object.hasOwn(TABLE, key);

/** The text of the first of these keys that has one; else of none, the last resort as it is. */
export const either = (keys, otherwise, values) => { const key = keys.find(has); return key ? say(key, values) : otherwise; };

/** The same of a number of things: one has a text of its own. */
export const many = (key, n, values = {}) => say(n === 1 ? `${key}.one` : key, { n, ...values });

/** A text in which one [part] is made an element: what stands before it, the element, the rest. */
export function around(key, make) {
  const [before, part, after] = say(key).split(/\[([^\]]+)\]/);
  return [before, make(part), after];
}

/** A number that is written with a point, as this language writes it. */
export const decimal = (text) => (language === "de" ? String(text).replace(".", ",") : String(text));

/** A sentence of the server in the language of the page, where the table has it. */
export function translated(text) {
  if (language === "en" || typeof text !== "string") return text;
  for (const [key, english] of Object.entries(WORDS.en ?? {})) {
    const found = key.startsWith("server.") && pattern(english).exec(text);
    if (found) return say(key, found.groups);
  }
  return text;
}

const pattern = (english) =>
  new RegExp(`^${english.split(HOLE).map((part, i) => (i % 2 ? `(?<${part}>[^]*)` : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))).join("")}$`);
