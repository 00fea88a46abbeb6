// A run on the client: what stood on the canvas after every step, and what the model thought then.
// Step 0 is the canvas before the first step; step s > 0 shows what record s - 1 did.

const NOTHING = -1;

/** Bytes of a base64 string, as an ArrayBuffer. */
function bytes(text) {
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}

/** Float16 bits as numbers. */
function halves(buffer) {
  return Float32Array.from(new Uint16Array(buffer), (h) => {
    const exponent = (h >> 10) & 31, fraction = h & 1023, sign = h & 32768 ? -1 : 1;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024);
  });
}

export class Run {
  constructor(header) {
    this.id = header.id ?? null;
    this.spec = header.spec;
    this.promptLength = header.prompt_length;
    this.offset = header.offset;
    this.maskId = header.mask_id;
    this.eosId = header.eos_id;
    this.info = header.info ?? {};
    this.length = header.initial.length;
    this.pieces = new Map(Object.entries(header.pieces).map(([id, text]) => [Number(id), text]));
    this.records = [];
    this.states = [Int32Array.from(header.initial)];
    this.since = [new Int32Array(this.length)]; // step of the last change, 0 where none
    this.sureness = [new Float32Array(this.length).fill(NaN)]; // confidence at that commit
    this.entropyMax = 0;
    this.signals = new Set(); // names of what steps recorded besides confidence, entropy and score
    this.finish(header);
    this.append(header.steps ?? []);
  }

  /** What is known only at the end. */
  finish({ numbers = null, text = null, info }) {
    this.numbers = numbers;
    this.text = text;
    if (info) this.info = info;
  }

  get steps() {
    return this.records.length;
  }

  learn(pieces) {
    for (const [id, text] of Object.entries(pieces)) this.pieces.set(Number(id), text);
  }

  append(entries) {
    for (const entry of entries) this.#append(entry);
  }

  #append(entry) {
    const record = {
      ...entry,
      at: new Int32Array(bytes(entry.at)),
      confidence: new Float32Array(bytes(entry.confidence)),
      entropy: new Float32Array(bytes(entry.entropy)),
      score: entry.score ? new Float32Array(bytes(entry.score)) : null,
      signals: Object.fromEntries(Object.entries(entry.signals ?? {}).map(([name, text]) => [name, new Float32Array(bytes(text))])),
      links: entry.edges ? { pairs: new Int32Array(bytes(entry.edges.pairs)), scores: new Float32Array(bytes(entry.edges.scores)) } : null,
      rows: new Int32Array(this.length).fill(NOTHING),
      why: new Map(),
    };
    for (const [reason, positions] of Object.entries(entry.why ?? {}))
      for (const position of positions) record.why.set(position, reason);
    record.at.forEach((position, row) => { record.rows[position] = row; });
    for (const value of record.entropy) if (value > this.entropyMax) this.entropyMax = value;
    for (const name of Object.keys(record.signals)) this.signals.add(name);
    const tokens = this.states.at(-1).slice(), since = this.since.at(-1).slice();
    const sureness = this.sureness.at(-1).slice();
    this.records.push(record);
    record.positions.forEach((position, i) => {
      tokens[position] = record.tokens[i];
      since[position] = this.steps;
      sureness[position] = record.confidence[record.rows[position]] ?? NaN;
    });
    for (const position of record.remasked) {
      tokens[position] = this.maskId;
      since[position] = this.steps;
      sureness[position] = NaN;
    }
    this.states.push(tokens);
    this.since.push(since);
    this.sureness.push(sureness);
  }

  /** Whether a position was ever open to the model. */
  open(position) {
    return this.states[0][position] === this.maskId;
  }

  masked(step, position) {
    return this.states[step][position] === this.maskId;
  }

  piece(token) {
    return this.pieces.get(token);
  }

  /** Positions written by a step, in order. */
  written(step) {
    return step > 0 ? this.records[step - 1].positions : [];
  }

  /** The active block of a step as [start, end). */
  block(step) {
    const record = this.records[Math.max(0, step - 1)];
    return record ? record.block : [this.promptLength, this.promptLength + this.spec.block_length];
  }

  /** Index of a position's block in the generated part; -1 in the prompt. */
  blockIndex(position) {
    return Math.floor((position - this.promptLength) / this.spec.block_length);
  }

  /** One number the map can show; undefined where the model was not asked. */
  value(metric, step, position) {
    if (metric === "reveal") {
      const change = this.since[step][position];
      return change && !this.masked(step, position) ? change : undefined;
    }
    const record = this.records[step - 1];
    const row = record?.rows[position] ?? NOTHING;
    if (row === NOTHING) return undefined;
    const values = metric in record.signals ? record.signals[metric] : record[metric];
    return Number.isNaN(values?.[row]) ? undefined : values?.[row];
  }

  /** Edge scores that a step looked at: [{a, b, score}] with a < b, raw: the strongest of each position,
   * and those that the sampler named as a conflict; null where it looked at none. */
  edges(step) {
    const links = this.records[step - 1]?.links;
    return links && Array.from(links.scores, (score, i) => ({ a: links.pairs[2 * i], b: links.pairs[2 * i + 1], score }));
  }

  /** Numbers that a step recorded of a position besides confidence, entropy and score: [[name, value]]. */
  noted(step, position) {
    return Object.keys(this.records[step - 1]?.signals ?? {})
      .map((name) => [name, this.value(name, step, position)]).filter(([, value]) => value !== undefined);
  }

  /** What the model thought of a position at a step: {step, confidence, entropy, score, top}.
   * Where it was decided before, what it thought when it was last asked; null where never. */
  thought(step, position) {
    for (let s = Math.max(1, Math.min(step, this.steps)); s > 0; s--) {
      const record = this.records[s - 1];
      const row = record?.rows[position] ?? NOTHING;
      if (row !== NOTHING && !Number.isNaN(record.confidence[row])) return { step: s, ...this.#row(record, row) };
    }
    return null;
  }

  /** Why a step did what it did to a position: {step, reason}. Where it gave no reason, the last
   * change has it; null where neither has one. */
  why(step, position) {
    for (const s of [step, this.since[step][position]]) {
      const reason = this.records[s - 1]?.why.get(position);
      if (reason !== undefined) return { step: s, reason };
    }
    return null;
  }

  #row(record, row) {
    record.ids ??= new Int32Array(bytes(record.top_ids));
    record.probs ??= halves(bytes(record.top_probs));
    const top = [];
    for (let j = row * record.k; j < (row + 1) * record.k; j++)
      top.push({ id: record.ids[j], probability: record.probs[j] });
    return {
      confidence: record.confidence[row],
      entropy: record.entropy[row],
      score: record.score ? record.score[row] : null,
      top,
    };
  }
}
