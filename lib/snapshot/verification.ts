import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { verificationName } from './names.js';

export const verificationSchema = z.object({
  state: z.enum(['verified', 'damaged']),
  at: z.string(),
  /** The run that looked. */
  run: z.string(),
  /** How deep it looked: `lines`, or `stored-bytes` where parts are encrypted and there was no identity. */
  depth: z.enum(['lines', 'stored-bytes']),
  findings: z.array(z.object({ code: z.string(), subject: z.string(), detail: z.string() })),
});
export type Verification = z.infer<typeof verificationSchema>;

/** Null when there is none, or none that can be read: either way nothing is known. */
export async function readVerification(store: ObjectStore, snapshot: string): Promise<Verification | null> {
  const found = await store.read(verificationName(snapshot));
  if (found === null) return null;
  try {
    return verificationSchema.parse(decodeJson(found.body));
  } catch {
    return passOver(store, verificationName(snapshot), found);
  }
}

/** Writes down the outcome of a verification over the one before. */
export async function writeVerification(
  store: ObjectStore,
  snapshot: string,
  verification: Verification,
): Promise<void> {
  const name = verificationName(snapshot);
  const body = encodeJson(verification);
  for (;;) {
    const found = await store.read(name);
    if (found === null && (await store.create(name, body)).created) return;
    if (found !== null && (await store.swap(name, body, found.etag)) !== null) return;
  }
}
