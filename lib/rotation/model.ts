import { createHash } from 'node:crypto';
import { z } from 'zod';

/** A new value for a variable of a project. */
interface Change {
  readonly project: string;
  readonly variable: string;
  readonly value: string;
}

export interface RotationRequest {
  /** What is rotated, such as `github-token` or `switch standby`. Identifies an unfinished rotation. */
  readonly purpose: string;
  readonly changes: readonly Change[];
  /** Old values for a rollback, of variables that the host does not reveal. */
  readonly oldValues: readonly { readonly variable: string; readonly value: string }[];
  /** Values that may be the old ones of an interrupted rotation; fingerprints decide. */
  readonly candidates: readonly string[];
  /** Continue even if an old value could not be restored. */
  readonly acceptNoWayBack: boolean;
  /** Tries the new values, before any change and again after the deployments. Returns a description. */
  prove(): Promise<string>;
}

/**
 * The value of a variable of a project. `unsure`: the last write had no answer; a journal has `unsure` before each write.
 */
const variableState = z.enum(['old', 'new', 'unsure']);

const stepSchema = z.object({
  project: z.string(),
  variable: z.string(),
  /** Fingerprint of the value before; `absent`: there was none; `unreadable`: the host does not reveal it. */
  was: z.string(),
  becomes: z.string(),
  state: variableState,
});

const deploymentSchema = z.object({
  project: z.string(),
  /** The newest deployment before the rotation, which is rebuilt. */
  from: z.object({ id: z.string(), name: z.string() }),
  /** `none`: not begun; `begun`: possibly begun; `ready`; `failed`: never served. */
  state: z.enum(['none', 'begun', 'ready', 'failed']),
});

/** `rotations/{id}.json`. Holds no value of any variable. */
export const journalSchema = z.object({
  id: z.string(),
  purpose: z.string(),
  /** `rolling-back` and `changing` are unfinished. `half-changed`: the rollback failed; `superseded`: replaced by a later one. */
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
 * Identifies a secret without containing it: 64 bits of a hash. The salt, such as a rotation's id, prevents comparing
 * fingerprints of different records.
 */
export function fingerprint(salt: string, secret: string): string {
  return createHash('sha256').update(`${salt}\n${secret}`).digest('hex').slice(0, LENGTH);
}
