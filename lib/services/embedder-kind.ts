import type { z } from 'zod';
import type { Clock } from '../ports/clock.js';
import type { Embedder, EmbedderLimits } from '../ports/embedder.js';
import type { RetryPolicy } from './retry.js';

/** A service that embeds. To add one: a folder with such an object, its import in `embedders.ts` and a place in the list there. */
export interface EmbedderKind {
  /** The variable of its key. That it is set chooses the service. */
  readonly key: string;
  /** Its variables, none of them required: another service may be meant. */
  readonly shape: Readonly<Record<string, z.ZodType<string | undefined>>>;
  /** `settings`: values of these variables, the key among them. */
  open(settings: Readonly<Record<string, string | undefined>>, options: EmbedderOptions): Embedder;
}

export interface EmbedderOptions {
  readonly model: string;
  readonly dimensions: number;
  readonly limits: EmbedderLimits;
  readonly clock: Clock;
  /** As the service does it when left out. */
  readonly retry?: RetryPolicy;
}
