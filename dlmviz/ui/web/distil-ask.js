// What the Train tab asks of the server: the form, one look at the jobs, and what a person does.

import { say, translated } from "./say.js";

const ROOT = new URL("dlmviz/distil/", document.baseURI).href;
export const LARGEST = 32e6; // bytes of a file that the server takes

/** The answer as JSON; {problem, gone} where there is none. */
async function told(request) {
  const answer = await request.catch(() => null);
  const json = await answer?.json().catch(() => null);
  if (!json) return { problem: say("answers.not"), gone: true };
  return json.problem ? { ...json, problem: translated(json.problem) } : json;
}

const post = (path, body, signal) => told(fetch(ROOT + path, { method: "POST", body, signal }));

export const form = () => told(fetch(`${ROOT}form`));

/** All jobs, and what is new of the chosen one. */
export const look = (job, cursor) => told(fetch(`${ROOT}jobs?${new URLSearchParams({ job: job ?? "", cursor })}`));

export const start = (given) => post("start", JSON.stringify(given));

/** What a job would cost; the server ends its two steps when `signal` is aborted. */
export const estimate = (given, signal) => post("estimate", JSON.stringify(given), signal);

/** Does one of stop, resume, retry, delete. */
export const act = (id, verb) => post(`${encodeURIComponent(id)}/${verb}`);

export async function upload(file) {
  if (file.size > LARGEST) return { problem: say("distil.large", { file: file.name, size: Math.round(file.size / 1e6), most: LARGEST / 1e6 }) };
  return post(`prompts?${new URLSearchParams({ name: file.name })}`, file);
}
