// Two lanes that another page asks for: what was trained, beside what there was without it.

import { ask } from "./compare-ask.js";
import { say } from "./say.js";

/** Fills the page with a model beside the same with an adapter, or with a sampler that has a head. */
export const pair = (page, spec, given) => (given.head ? withHead : withAdapter)(page, spec, given);

async function withAdapter(page, plain, given) {
  const adapter = (await page.form.fill(true)).adapters.find(({ id }) => id === given.adapter);
  const asked = ["prompt", "gen_length", "block_length"].filter((name) => given[name]).map((name) => [name, given[name]]);
  const spec = { ...plain, model: given.model, sampler: "fast_dllm", ...Object.fromEntries(asked) };
  for (const folder of [null, adapter?.folder ?? null]) page.add({ ...spec, adapter: folder });
  page.form.share(spec);
  page.example = given.example ? { ...given.example, prompt: given.prompt } : null;
  page.say(adapter ? say("compare.ready") : say("compare.adapter.lost"), !adapter);
}

/** The other lane goes by confidence alone and needs no head; the prompt is a fresh one. */
async function withHead(page, plain, { head, sampler, model, task }) {
  const brought = task ? await ask.example(task) : {}, spec = { ...plain, model, adapter: null };
  page.add({ ...spec, sampler: "fast_dllm", params: {} });
  page.add({ ...spec, sampler, params: { head } });
  page.form.share(brought.problem ? spec : { ...spec, ...brought });
  page.example = brought.example ?? null;
  page.say(say("compare.ready.head", { sampler }));
}
