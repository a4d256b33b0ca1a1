import { toAppError } from '../errors.js';
import type { Clock, Embedder, Log, ObjectStore, RedisPort, VectorIndex } from '../ports/index.js';

export interface ReindexPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly redis: RedisPort;
  readonly store: ObjectStore;
  readonly vectors: VectorIndex;
  readonly embedder: Embedder;
}

export interface ReindexSettings {
  /** Of the index and of every vector. */
  readonly dimensions: number;
  /** Code points of a body that are embedded; 0: all of them. */
  readonly cutCodePoints: number;
  /** How many batches one leg works on at a time itself; 0 sends all over the queue. */
  readonly inline: number;
  /** How many batches the queue may deliver at a time. */
  readonly parallelism: number;
  /** The embedder's rate limit, which the queue keeps to; null when it has none. */
  readonly textsPerMinute: number | null;
  /** Names that limit: runs that share it name the same. */
  readonly rateKey: string;
  /** Whether a rate limit is slept over here, rather than answered so that the queue comes again. */
  readonly patience: boolean;
}

/** Most texts that one call of the embedder takes. */
const MOST_TEXTS = 100;

/** Items of a batch: all that a call takes, unless the rate limit is below that. */
export function batchSize({ textsPerMinute }: ReindexSettings): number {
  return Math.max(1, Math.min(MOST_TEXTS, textsPerMinute ?? MOST_TEXTS));
}

/** Throws what the signal was aborted with: nothing may be written any more. */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw toAppError(signal.reason);
}
