// The one state of the page. Any panel may set step or position; all panels hear of it.

export const SPEEDS = [1, 2, 4, 8, 16, 32];

/** A store: `state` to read, `set` to change, `on` to be told what changed. */
export function makeStore() {
  const state = {
    run: null, step: 0, pos: null, hover: null, playing: false, speed: 8,
    live: false, follow: false, order: false, spaces: false, metric: "confidence",
    selection: null, // [from, to] canvas positions that are brushed, both included
    edits: new Map(), // position -> {kind: "pin" | "replace" | "remask", token}; a new Map at each change
    asked: null, // {step, sets: {sampler: Set of positions}}: what other samplers would commit
  };
  const listeners = [];
  function set(patch) {
    const changed = new Set();
    for (const [key, value] of Object.entries(patch))
      if (state[key] !== value) { state[key] = value; changed.add(key); }
    if (changed.size) for (const listener of listeners) listener(state, changed);
  }
  return { state, set, on: (listener) => listeners.push(listener) };
}

/** Moves the cursor because a person asked: playing stops and live data no longer moves it. */
export function goTo(store, step) {
  const { run } = store.state;
  if (!run) return;
  const target = Math.max(0, Math.min(run.steps, step));
  store.set({ step: target, playing: false, follow: false, hover: null });
}

/** Chooses a position among those the model may write. */
export function choose(store, pos) {
  const { run } = store.state;
  if (run) store.set({ pos: Math.max(run.offset, Math.min(run.length - 1, pos)), hover: null });
}

/** Position and step under discussion: what is pointed at, or else what is chosen. */
export function focusOf({ hover, pos, step }) {
  return { pos: hover?.pos ?? pos, step: hover?.step ?? step };
}

/** Plays at `speed` steps a second. Returns a function that stops the clock. */
export function startClock(store) {
  let last = null, owed = 0, frame = 0;
  function tick(now) {
    const { playing, run, step, speed, live } = store.state;
    if (!playing || !run) { last = null; owed = 0; frame = 0; return; }
    owed += last === null ? 0 : ((now - last) / 1000) * speed;
    last = now;
    const due = Math.min(Math.floor(owed), run.steps - step);
    owed -= Math.floor(owed);
    if (due > 0) store.set({ step: step + due });
    if (store.state.step >= run.steps && !live) store.set({ playing: false });
    frame = requestAnimationFrame(tick);
  }
  store.on((state, changed) => {
    if (changed.has("playing") && state.playing && !frame) frame = requestAnimationFrame(tick);
  });
}

/** Starts or stops playing; from the end it starts again from the beginning. */
export function togglePlay(store) {
  const { run, step, playing, live } = store.state;
  if (!run) return;
  if (playing) return store.set({ playing: false });
  store.set({ step: step >= run.steps && !live ? 0 : step, playing: true, follow: false, hover: null });
}

/** The speed at which a run of so many steps takes about eight seconds. */
export const fittingSpeed = (steps) => SPEEDS.findLast((speed) => speed <= Math.max(2, steps / 7));

export function changeSpeed(store, by) {
  const at = SPEEDS.indexOf(store.state.speed);
  store.set({ speed: SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + by))] });
}

/** Jumps to the newest step and stays with it. */
export function followLive(store) {
  const { run } = store.state;
  if (run) store.set({ step: run.steps, follow: true, playing: false, hover: null });
}
