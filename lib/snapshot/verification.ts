import { z } from 'zod';
import { readKnown, overwriteObject } from '../control/object.js';
import { encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { verificationName } from './names.js';

export const verificationSchema = z.object({
  state: z.enum(['verified', 'damaged']),
  at: z.string(),
  /** The run that verified the snapshot. */
  run: z.string(),
  /** What was checked: `lines`, or only `stored-bytes` where parts are encrypted and no identity was set. */
  depth: z.enum(['lines', 'stored-bytes']),
  findings: z.array(z.object({ code: z.string(), subject: z.string(), detail: z.string() })),
});
export type Verification = z.infer<typeof verificationSchema>;

/** Null when there is none, or it cannot be read. */
export function readVerification(store: ObjectStore, snapshot: string): Promise<Verification | null> {
  return readKnown(store, verificationName(snapshot), verificationSchema);
}

/** Replaces the outcome of the previous verification. */
export function writeVerification(store: ObjectStore, snapshot: string, verification: Verification): Promise<void> {
  return overwriteObject(store, verificationName(snapshot), encodeJson(verification));
}
