// What the Compare tab asks of the server: its form, an example, runs, and the table of numbers.

import { language, say, translated } from "./say.js";

const ROOT = new URL("dlmviz/compare/", document.baseURI).href;
const RUNS = new URL("dlmviz/runs/", document.baseURI).href;

/** The answer as JSON; {problem} where there is none. */
async function told(address) {
  const answer = await fetch(address).catch(() => null);
  const json = await answer?.json().catch(() => null);
  if (!json) return { problem: say("answers.not") };
  return json.problem ? { ...json, problem: translated(json.problem) } : json;
}

const listed = (ids) => new URLSearchParams({ ids: ids.join(",") });

export const ask = {
  form: () => told(`${ROOT}form`),
  example: (task) => told(`${ROOT}example?${new URLSearchParams({ task })}`),
  table: (ids) => told(`${ROOT}table?${listed(ids)}`),
  /** A run with its id, or null where the server has none. */
  run: async (id, query = "?link") => {
    const answer = await fetch(`${RUNS}${encodeURIComponent(id)}${query}`).catch(() => null);
    const header = answer?.status === 200 ? await answer.json().catch(() => null) : null;
    return header && { ...header, id };
  },
};

/** Where the table, or all in one page, can be downloaded. */
export const fileOf = (ids, kind) => `${ROOT}table.${kind}?${listed(ids)}&lang=${language}`;
