import { setImmediate as nextTurn } from 'node:timers/promises';
import { AppError } from '../errors.js';
import type { Embedder } from '../ports/embedder.js';
import type { Turn } from '../runs/model.js';
import { type ReindexPorts, type ReindexSettings, throwIfAborted } from './context.js';
import { addSpent, NOTHING_SPENT, type SkipReason, type Spent } from './model.js';
import { isCode } from './refusal.js';

/** Why the embedder gave no usable vector for a text. */
type Refusal = Extract<SkipReason, 'refused' | 'embedder-failed' | 'bad-embedding'>;

/** A vector of length 1, or why there is none. */
export type Embedded = Float32Array | Refusal;

/** Calls the embedder and counts its use. */
export interface Embedding {
  /** How many texts the next call may have. */
  maxTexts(): number;
  /**
   * One result for each text, in order. A text that the embedder refuses, or fails on while it embeds others, does not
   * affect the others. Throws `embedder-limit` or `embedder-quota` when `texts` exceed the rate limit, or the rest of the
   * daily quota: then `maxTexts` is smaller, and the caller must pass fewer. With `patience`, a single text waits for the
   * rate limit. Other errors of the embedder are thrown.
   */
  embed(texts: readonly string[]): Promise<Embedded[]>;
  spent(): Spent;
}

type Needs = Pick<ReindexPorts, 'clock' | 'embedder'>;
type Limits = Pick<ReindexSettings, 'dimensions' | 'patience'>;

const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 60_000;
/** About an hour with the waits above; a longer limit is not a rate limit. */
const MOST_WAITS = 60;
/** Embedded to test whether the embedder works at all. */
export const PROBE_TEXT = 'A short text to see whether texts can be embedded.';

export function openEmbedding(ports: Needs, limits: Limits, signal: AbortSignal, turn: Turn): Embedding {
  const pace = paceOf(ports.embedder);
  let spent = NOTHING_SPENT;

  async function callEmbedder(texts: readonly string[]): Promise<Float32Array[]> {
    throwIfAborted(signal);
    spent = addSpent(spent, { calls: 1, texts: 0, characters: 0 });
    try {
      const vectors = assertCount(await turn(() => ports.embedder.embed(texts)), texts.length);
      const characters = texts.reduce((sum, { length }) => sum + length, 0);
      spent = addSpent(spent, { calls: 0, texts: texts.length, characters });
      pace.accepted(texts.length);
      return vectors;
    } catch (error) {
      if (isLimitError(error)) pace.limited(texts.length);
      throw error;
    }
  }

  async function embedIsolating(texts: readonly string[]): Promise<(Float32Array | Refusal)[]> {
    try {
      return await callEmbedder(texts);
    } catch (error) {
      if (isCode(error, 'embedder-refused')) return texts.length === 1 ? ['refused'] : embedHalves(texts);
      if (!isCode(error, 'embedder-unavailable') || texts[0] === PROBE_TEXT || !(await isWorking())) throw error;
      return texts.length === 1 ? ['embedder-failed'] : embedHalves(texts);
    }
  }

  /** One refused text fails the whole call; halving isolates it. */
  async function embedHalves(texts: readonly string[]): Promise<(Float32Array | Refusal)[]> {
    const middle = Math.ceil(texts.length / 2);
    return [...(await embedWithWaits(texts.slice(0, middle))), ...(await embedWithWaits(texts.slice(middle)))];
  }

  /** Whether the embedder accepts another text: then the fault is in the texts of the call; otherwise it is down. */
  async function isWorking(): Promise<boolean> {
    return callEmbedder([PROBE_TEXT]).then(
      () => true,
      () => false,
    );
  }

  const embedWithWaits = (texts: readonly string[]): Promise<(Float32Array | Refusal)[]> =>
    limits.patience && texts.length === 1
      ? retryAfterWaits(ports, signal, pace, () => embedIsolating(texts))
      : embedIsolating(texts);

  /** Like `embedWithWaits`, for texts that may not fit into one call. */
  async function embedInPieces(texts: readonly string[]): Promise<(Float32Array | Refusal)[]> {
    const vectors: (Float32Array | Refusal)[] = [];
    while (vectors.length < texts.length) {
      const piece = texts.slice(vectors.length, vectors.length + pace.maxTexts());
      try {
        vectors.push(...(await embedWithWaits(piece)));
      } catch (error) {
        if (piece.length === 1 || !isLimitError(error)) throw error;
      }
    }
    return vectors;
  }

  return {
    maxTexts: () => pace.maxTexts(),
    async embed(texts) {
      if (texts.length === 0) return [];
      const vectors: Embedded[] = await embedWithWaits(texts);
      // Lets the next call be sent before the work on these vectors blocks the thread.
      await nextTurn();
      const bad = vectors.flatMap((vector, at) => (isValid(vector, limits.dimensions) ? [] : [at]));
      if (bad.length > 0) {
        const again = await embedInPieces(bad.map((at) => texts[at] ?? ''));
        for (const [index, at] of bad.entries()) {
          const vector = again[index] ?? 'refused';
          vectors[at] = isValid(vector, limits.dimensions) ? vector : 'bad-embedding';
        }
      }
      for (const vector of vectors) if (typeof vector !== 'string') normalise(vector);
      return vectors;
    },
    spent: () => spent,
  };
}

/** Whether a call with fewer texts may succeed: a limit refuses a whole call even if a part of it would fit. */
export function isLimitError(error: unknown): boolean {
  return isCode(error, 'embedder-limit') || isCode(error, 'embedder-quota');
}

/** Waits for a rate limit, for as long as the service says or longer each time, and retries. */
async function retryAfterWaits<T>(
  ports: Needs,
  signal: AbortSignal,
  pace: ReturnType<typeof paceOf>,
  call: () => Promise<T>,
): Promise<T> {
  for (let waits = 0; ; waits++) {
    try {
      const result = await call();
      if (waits > 0) pace.renewed();
      return result;
    } catch (error) {
      if (!isCode(error, 'embedder-limit') || waits >= MOST_WAITS) throw error;
      const ms = error.retryAfterMs ?? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** waits);
      await ports.clock.sleep(ms, signal);
      throwIfAborted(signal);
    }
  }
}

function assertCount(vectors: Float32Array[], wanted: number): Float32Array[] {
  if (vectors.length === wanted) return vectors;
  throw new AppError('embedder-unavailable', `The embedder gave ${vectors.length} vectors for ${wanted} texts`, {
    hint: 'Try again; if it keeps happening, a proxy on the way to the embedder alters its responses.',
    transient: true,
  });
}

function isValid(vector: Embedded, dimensions: number): boolean {
  if (typeof vector === 'string') return true;
  const length = lengthOf(vector);
  return vector.length === dimensions && Number.isFinite(length) && length > 0;
}

/** NaN or Infinity if any component is. */
export function lengthOf(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}

function normalise(vector: Float32Array): void {
  const length = lengthOf(vector);
  for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] ?? 0) / length;
}

/** How many texts a call of one embedder may have at this moment; shared by all tasks of a process. */
interface Pace {
  /** From 1 to the maximum of the embedder. */
  maxTexts(): number;
  /** A call of `count` texts was accepted. */
  accepted(count: number): void;
  /** A call of `count` texts hit the rate limit or the daily quota: the next one has half as many. */
  limited(count: number): void;
  /** The period of the limit is over: calls as large as the largest accepted one may be made again. */
  renewed(): void;
}

const paces = new WeakMap<Embedder, Pace>();

/**
 * A rate limit that counts tokens can be lower than one call needs: then waiting does not help, but a smaller call does. So
 * a refused call is halved, down to one text, before any wait; an accepted call lets the next one be twice as large.
 */
function paceOf(embedder: Embedder): Pace {
  const known = paces.get(embedder) ?? newPace(embedder.maxBatch);
  paces.set(embedder, known);
  return known;
}

function newPace(most: number): Pace {
  let room = most;
  let largest = 1;
  return {
    maxTexts: () => room,
    accepted(count) {
      largest = Math.max(largest, count);
      // A short last call does not show that larger ones are accepted.
      if (count >= room) room = Math.min(most, 2 * room);
    },
    limited(count) {
      room = Math.max(1, Math.min(room, Math.floor(count / 2)));
    },
    renewed() {
      room = Math.max(room, largest);
    },
  };
}
