import { setImmediate as nextTurn } from 'node:timers/promises';
import { AppError } from '../../errors.js';
import type { Turn } from '../../runs/model.js';
import { throwIfAborted, type ReindexPorts, type ReindexSettings } from '../context.js';
import { addSpent, NOTHING_SPENT, type SkipReason, type Spent } from '../model.js';

/** A vector of length 1, or why there is none. */
export type Embedded = Float32Array | Extract<SkipReason, 'refused' | 'bad-embedding'>;

/** What asks the embedder, and counts what that takes. */
export interface Embedding {
  /** One for each text, in order. Throws what the embedder throws, except for texts that it will never take. */
  embed(texts: readonly string[]): Promise<Embedded[]>;
  spent(): Spent;
}

type Needs = Pick<ReindexPorts, 'clock' | 'embedder'>;
type Limits = Pick<ReindexSettings, 'dimensions' | 'patience'>;

const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 60_000;
/** With the waits above, an hour: whatever limits the rate for longer is no rate limit. */
const MOST_WAITS = 60;

export function openEmbedding(ports: Needs, limits: Limits, signal: AbortSignal, turn: Turn): Embedding {
  let spent = NOTHING_SPENT;

  async function call(texts: readonly string[]): Promise<(Float32Array | 'refused')[]> {
    throwIfAborted(signal);
    spent = addSpent(spent, {
      calls: 1,
      texts: texts.length,
      characters: texts.reduce((sum, { length }) => sum + length, 0),
    });
    try {
      return counted(await turn(() => ports.embedder.embed(texts)), texts.length);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'embedder-refused') throw error;
      return apart(texts);
    }
  }

  /** One text that is refused sinks its whole call: halves of halves show which it is. */
  async function apart(texts: readonly string[]): Promise<(Float32Array | 'refused')[]> {
    if (texts.length === 1) return ['refused'];
    const middle = Math.ceil(texts.length / 2);
    return [...(await patiently(texts.slice(0, middle))), ...(await patiently(texts.slice(middle)))];
  }

  const patiently = (texts: readonly string[]) =>
    limits.patience ? wait(ports, signal, () => call(texts)) : call(texts);

  return {
    async embed(texts) {
      if (texts.length === 0) return [];
      const vectors: Embedded[] = await patiently(texts);
      // The call that comes next in turn is sent off before these numbers are worked on, which holds the thread.
      await nextTurn();
      const bad = vectors.flatMap((vector, at) => (isGood(vector, limits.dimensions) ? [] : [at]));
      if (bad.length > 0) {
        const again = await patiently(bad.map((at) => texts[at] ?? ''));
        for (const [turn, at] of bad.entries()) {
          const vector = again[turn] ?? 'refused';
          vectors[at] = isGood(vector, limits.dimensions) ? vector : 'bad-embedding';
        }
      }
      for (const vector of vectors) if (typeof vector !== 'string') normalise(vector);
      return vectors;
    },
    spent: () => spent,
  };
}

/** Sleeps over a rate limit, as long as the service says, or longer each time. */
async function wait<T>(ports: Needs, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (let waits = 0; ; waits++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'embedder-limit' || waits >= MOST_WAITS) throw error;
      const ms = error.retryAfterMs ?? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** waits);
      await ports.clock.sleep(ms, signal);
      throwIfAborted(signal);
    }
  }
}

function counted(vectors: Float32Array[], wanted: number): Float32Array[] {
  if (vectors.length === wanted) return vectors;
  throw new AppError('embedder-unavailable', `The embedder gave ${vectors.length} vectors for ${wanted} texts`, {
    hint: 'Try again; if it keeps happening, something between here and the embedder changes its answers.',
    transient: true,
  });
}

function isGood(vector: Embedded, dimensions: number): boolean {
  if (typeof vector === 'string') return true;
  const length = lengthOf(vector);
  return vector.length === dimensions && Number.isFinite(length) && length > 0;
}

/** NaN or Infinity when any of its values is. */
export function lengthOf(vector: Float32Array): number {
  let sum = 0;
  for (const value of vector) sum += value * value;
  return Math.sqrt(sum);
}

function normalise(vector: Float32Array): void {
  const length = lengthOf(vector);
  for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] ?? 0) / length;
}
