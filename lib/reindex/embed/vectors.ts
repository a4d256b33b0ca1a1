import { setImmediate as nextTurn } from 'node:timers/promises';
import { AppError } from '../../errors.js';
import type { Turn } from '../../runs/model.js';
import { throwIfAborted, type ReindexPorts, type ReindexSettings } from '../context.js';
import { addSpent, NOTHING_SPENT, type SkipReason, type Spent } from '../model.js';
import type { Embedder } from '../../ports/embedder.js';

/** Why the embedder gave no usable vector for a text. */
type Refusal = Extract<SkipReason, 'refused' | 'embedder-failed' | 'bad-embedding'>;

/** A vector of length 1, or why there is none. */
export type Embedded = Float32Array | Refusal;

/** What asks the embedder, and counts what that takes. */
export interface Embedding {
  /** Most texts that the next call may bring. */
  room(): number;
  /**
   * One for each text, in order. A text that the embedder refuses, or fails over while it embeds others, is named and
   * costs the others nothing. Throws `embedder-limit` or `embedder-quota` when `texts` are too many for the rate limit, or
   * for what is left of the day's quota: then `room` is smaller, and fewer are to be given; a single text is waited for where
   * the rate is limited, with `patience`. Throws what else the embedder throws.
   */
  embed(texts: readonly string[]): Promise<Embedded[]>;
  spent(): Spent;
}

type Needs = Pick<ReindexPorts, 'clock' | 'embedder'>;
type Limits = Pick<ReindexSettings, 'dimensions' | 'patience'>;

const FIRST_WAIT_MS = 5_000;
const LONGEST_WAIT_MS = 60_000;
/** With the waits above, an hour: whatever limits the rate for longer is no rate limit. */
const MOST_WAITS = 60;
/** Shows whether the embedder works at all. */
export const TRIAL = 'A short text to see whether texts can be embedded.';

export function openEmbedding(ports: Needs, limits: Limits, signal: AbortSignal, turn: Turn): Embedding {
  const pace = paceOf(ports.embedder);
  let spent = NOTHING_SPENT;

  async function call(texts: readonly string[]): Promise<Float32Array[]> {
    throwIfAborted(signal);
    spent = addSpent(spent, { calls: 1, texts: 0, characters: 0 });
    try {
      const vectors = counted(await turn(() => ports.embedder.embed(texts)), texts.length);
      const characters = texts.reduce((sum, { length }) => sum + length, 0);
      spent = addSpent(spent, { calls: 0, texts: texts.length, characters });
      pace.accepted(texts.length);
      return vectors;
    } catch (error) {
      if (isTooMany(error)) pace.limited(texts.length);
      throw error;
    }
  }

  async function isolating(texts: readonly string[]): Promise<(Float32Array | Refusal)[]> {
    try {
      return await call(texts);
    } catch (error) {
      if (isCode(error, 'embedder-refused')) return texts.length === 1 ? ['refused'] : apart(texts);
      if (!isCode(error, 'embedder-unavailable') || texts[0] === TRIAL || !(await works())) throw error;
      return texts.length === 1 ? ['embedder-failed'] : apart(texts);
    }
  }

  /** One text that is refused sinks its whole call: halves of halves show which it is. */
  async function apart(texts: readonly string[]): Promise<(Float32Array | Refusal)[]> {
    const middle = Math.ceil(texts.length / 2);
    return [...(await patiently(texts.slice(0, middle))), ...(await patiently(texts.slice(middle)))];
  }

  /** Whether the embedder takes other texts: then what failed is to be looked for in the call, else it is down. */
  async function works(): Promise<boolean> {
    return call([TRIAL]).then(
      () => true,
      () => false,
    );
  }

  const patiently = (texts: readonly string[]): Promise<(Float32Array | Refusal)[]> =>
    limits.patience && texts.length === 1 ? wait(ports, signal, pace, () => isolating(texts)) : isolating(texts);

  /** The same for texts that need not fit into one call. */
  async function inPieces(texts: readonly string[]): Promise<(Float32Array | Refusal)[]> {
    const vectors: (Float32Array | Refusal)[] = [];
    while (vectors.length < texts.length) {
      const piece = texts.slice(vectors.length, vectors.length + pace.room());
      try {
        vectors.push(...(await patiently(piece)));
      } catch (error) {
        if (piece.length === 1 || !isTooMany(error)) throw error;
      }
    }
    return vectors;
  }

  return {
    room: () => pace.room(),
    async embed(texts) {
      if (texts.length === 0) return [];
      const vectors: Embedded[] = await patiently(texts);
      // The call that comes next in turn is sent off before these numbers are worked on, which holds the thread.
      await nextTurn();
      const bad = vectors.flatMap((vector, at) => (isGood(vector, limits.dimensions) ? [] : [at]));
      if (bad.length > 0) {
        const again = await inPieces(bad.map((at) => texts[at] ?? ''));
        for (const [index, at] of bad.entries()) {
          const vector = again[index] ?? 'refused';
          vectors[at] = isGood(vector, limits.dimensions) ? vector : 'bad-embedding';
        }
      }
      for (const vector of vectors) if (typeof vector !== 'string') normalise(vector);
      return vectors;
    },
    spent: () => spent,
  };
}

/** Whether fewer texts at once may be taken: a limit refuses a call as a whole, although there is room for a part of it. */
export function isTooMany(error: unknown): boolean {
  return isCode(error, 'embedder-limit') || isCode(error, 'embedder-quota');
}

export function isCode(error: unknown, code: AppError['code']): error is AppError {
  return error instanceof AppError && error.code === code;
}

/** Sleeps over a rate limit, as long as the service says, or longer each time. */
async function wait<T>(
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

/** How many texts a call of one embedder may bring at this moment; shared by all tasks of a process. */
interface Pace {
  /** 1 to the most that the embedder takes. */
  room(): number;
  /** A call of `count` texts was accepted. */
  accepted(count: number): void;
  /** A call of `count` texts met the rate limit, or the end of the day's quota: the next one brings half. */
  limited(count: number): void;
  /** The limit's period is over: calls of the size that was accepted last may be made again. */
  renewed(): void;
}

const paces = new WeakMap<Embedder, Pace>();

/**
 * A rate limit can be below what one call brings, when tokens are counted: then no waiting helps and a smaller call
 * does. So a refused call is halved, down to one text, before anything is waited for; what is accepted lets the next
 * call be twice as large.
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
    room: () => room,
    accepted(count) {
      largest = Math.max(largest, count);
      // A last, short call says nothing about larger ones.
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
