import type { z } from 'zod';
import type { Clock } from '../ports/clock.js';
import type { Embedder, EmbedderLimits } from '../ports/embedder.js';
import type { RetryPolicy } from './retry.js';

/** An embedding service. To add one: a folder with such an object, and an entry in the list in `embedders.ts`. */
export interface EmbedderKind {
  /** The variable of its API key. Setting it chooses the service. */
  readonly key: string;
  /** Its variables, none of them required: another service may be configured. */
  readonly shape: Readonly<Record<string, z.ZodType<string | undefined>>>;
  /** `settings`: values of these variables, including the API key. */
  open(settings: Readonly<Record<string, string | undefined>>, options: EmbedderOptions): Embedder;
}

export interface EmbedderOptions {
  readonly model: string;
  readonly dimensions: number;
  readonly limits: EmbedderLimits;
  readonly clock: Clock;
  /** Default: the service's own policy. */
  readonly retry?: RetryPolicy;
}
