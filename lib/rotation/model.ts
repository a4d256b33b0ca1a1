import { createHash } from 'node:crypto';
import { z } from 'zod';

/** One variable of one project that is to have another value. */
export interface Change {
  readonly project: string;
  readonly variable: string;
  readonly value: string;
}

export interface RotationRequest {
  /** What is rotated, in a word or two: `github-token`, `switch standby`. An unfinished one is found by it. */
  readonly purpose: string;
  readonly changes: readonly Change[];
  /** The old values of variables that the host does not give out, by the name of the variable: what a roll back sets. */
  readonly oldValues: readonly { readonly variable: string; readonly value: string }[];
  /** Values that may be old ones of a rotation that was broken off: their fingerprints tell. */
  readonly candidates: readonly string[];
  /** Go on even if some old value could not be brought back. */
  readonly acceptNoWayBack: boolean;
  /** Tries the new values, before anything is changed and again when all is deployed; says what it has seen. */
  prove(): Promise<string>;
}

/**
 * What a variable of a project has. `old` and `new` are what they say; `unsure`: the last write had no answer. In a
 * journal `unsure` is written before a write.
 */
const variableState = z.enum(['old', 'new', 'unsure']);

const stepSchema = z.object({
  project: z.string(),
  variable: z.string(),
  /** Fingerprint of the value before; `absent`, there was none; `unreadable`, the host does not give it out. */
  was: z.string(),
  becomes: z.string(),
  state: variableState,
});

const deploymentSchema = z.object({
  project: z.string(),
  /** The newest one before, which is rebuilt. */
  from: z.object({ id: z.string(), name: z.string() }),
  /** `none`: not begun; `begun`: perhaps; `ready`; `failed`, and so never served. */
  state: z.enum(['none', 'begun', 'ready', 'failed']),
});

/** `rotations/{id}.json`. Holds no value of any variable. */
export const journalSchema = z.object({
  id: z.string(),
  purpose: z.string(),
  /** `rolling-back` and `changing` are unfinished. `half-changed` could not be rolled back; `superseded` has a successor. */
  state: z.enum(['changing', 'rolling-back', 'done', 'rolled-back', 'half-changed', 'superseded']),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  steps: z.array(stepSchema),
  deployments: z.array(deploymentSchema),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

export type Journal = z.output<typeof journalSchema>;
export type Step = z.output<typeof stepSchema>;
export type DeploymentStep = z.output<typeof deploymentSchema>;

const LENGTH = 16;

/**
 * Tells two secrets apart without holding either: 64 bits of a hash. The salt, such as a rotation's id, keeps fingerprints
 * of different records from being compared.
 */
export function fingerprint(salt: string, secret: string): string {
  return createHash('sha256').update(`${salt}\n${secret}`).digest('hex').slice(0, LENGTH);
}
