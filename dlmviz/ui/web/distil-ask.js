// What the Distil tab asks of the server: the form, one look at the jobs, and what a person does.

const ROOT = new URL("dlmviz/distil/", document.baseURI).href;
const GONE = "The server does not answer; is the app still running?";
export const LARGEST = 32e6; // bytes of a file that the server takes

/** The answer as JSON; {problem, gone} where there is none. */
async function told(request) {
  const answer = await request.catch(() => null);
  const json = await answer?.json().catch(() => null);
  return json ?? { problem: GONE, gone: true };
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
  if (file.size > LARGEST) return { problem: `${file.name} has ${Math.round(file.size / 1e6)} MB: at most ${LARGEST / 1e6} can be dropped. Type its path instead.` };
  return post(`prompts?${new URLSearchParams({ name: file.name })}`, file);
}
