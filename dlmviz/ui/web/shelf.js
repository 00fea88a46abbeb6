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

/** Imports files one after another: {ids, problems}, one sentence for each that was refused. */
export async function take(files) {
  const ids = [], problems = [];
  for (const file of files) {
    const answer = refused(file) ?? (await told(fetch(`${ROOT}/import?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file })));
    if (answer.id) ids.push(answer.id);
    else problems.push(answer.problem);
  }
  return { ids, problems };
}

/** Why a file need not be sent at all; null for one that may be. */
function refused({ name, size }) {
  if (!name.toLowerCase().endsWith(".npz")) return { problem: say("library.no_npz", { name }) };
  if (size > LARGEST) return { problem: say("library.large", { name, size: Math.round(size / 1e6), most: LARGEST / 1e6 }) };
  return null;
}
