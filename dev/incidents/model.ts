import type { Context } from '../../lib/cli/context.js';
import type { Rehearsal, Stack } from '../stack/index.js';

/** Where an incident happens: a running stack with all that is around it, and an operator's variables. */
export interface Scene {
  readonly stack: Stack & { readonly rehearsal: Rehearsal };
  /** What a command of the operator would have to work with now; it prints nothing. */
  readonly context: () => Promise<Context>;
}

export interface Incident {
  readonly name: string;
  /** What has happened, in a sentence that an operator does not know yet. */
  readonly title: string;
  /** The heading of the section of docs/operations.md that ends it. */
  readonly section: string;
  /** What an operator sees first. */
  readonly sees: string;
  /** It takes a bucket: `dev --s3`. */
  readonly needsS3?: boolean;
  readonly begin: (scene: Scene) => Promise<Begun>;
}

export interface Begun {
  /** Shell variables that the commands of the section take. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Ends what no command of the operator ends. */
  readonly mend?: { readonly words: string; readonly end: () => Promise<void> };
}
