import type { Context } from '../../lib/cli/context.js';
import type { Rehearsal, Stack } from '../stack/index.js';

/** The setting of an incident: a running stack with its surroundings, and the operator's variables. */
export interface Scene {
  readonly stack: Stack & { readonly rehearsal: Rehearsal };
  /** The context of an operator's command now; it prints nothing. */
  readonly context: () => Promise<Context>;
}

export interface Incident {
  readonly name: string;
  /** What has happened, which the operator does not know yet. */
  readonly title: string;
  /** The heading of the section of docs/operations.md that resolves the incident. */
  readonly section: string;
  /** What an operator sees first. */
  readonly sees: string;
  /** Whether the incident needs a bucket: `dev --s3`. */
  readonly needsS3?: boolean;
  readonly begin: (scene: Scene) => Promise<IncidentOutcome>;
}

export interface IncidentOutcome {
  /** Shell variables for the commands of the section. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Repairs what no command of the operator repairs. */
  readonly mend?: { readonly words: string; readonly end: () => Promise<void> };
}
