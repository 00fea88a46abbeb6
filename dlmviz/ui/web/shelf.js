// What the Library asks of the server: the list, the actions, the import.

import { say, translated } from "./say.js";

const ROOT = new URL("dlmviz/library", document.baseURI).href;
export const LARGEST = 64e6; // bytes of a file that the server takes

/** The answer as JSON; {problem} where there is none. */
async function told(request) {
  const answer = await request.catch(() => null);
  const json = await answer?.json().catch(() => null);
  if (!json) return { problem: say("answers.not") };
  return json.problem ? { ...json, problem: translated(json.problem) } : json;
}

export const list = (query) => told(fetch(`${ROOT}?query=${encodeURIComponent(query)}`));

/** Does one of rename, pin, delete, undelete. */
export const act = (id, action, given = {}) =>
  told(fetch(`${ROOT}/${encodeURIComponent(id)}/${action}`, { method: "POST", body: JSON.stringify(given) }));

/**
 * Imports files one after another: {ids, problems, refused}, one sentence for each that was refused,
 * and its name beside it. `hear` is told how many are done.
 */
export async function take(files, hear = () => {}) {
  const ids = [], refused = [];
  for (const [done, file] of files.entries()) {
    hear(done);
    const answer = unfit(file) ?? (await told(fetch(`${ROOT}/import?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file })));
    if (answer.id) ids.push(answer.id);
    else refused.push({ name: file.name, problem: answer.problem });
  }
  return { ids, refused, problems: refused.map(({ problem }) => problem) };
}

/** Why a file need not be sent at all; null for one that may be. */
function unfit({ name, size }) {
  if (!name.toLowerCase().endsWith(".npz")) return { problem: say("library.no_npz", { name }) };
  if (size > LARGEST) return { problem: say("library.large", { name, size: Math.round(size / 1e6), most: LARGEST / 1e6 }) };
  return null;
}
