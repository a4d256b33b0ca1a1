import { z } from 'zod';
import { readKnown, overwriteObject } from '../control/object.js';
import { encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { acceptedName, adoptedName } from './names.js';

export const acceptanceSchema = z.object({
  snapshot: z.string(),
  /** SHA-256 of the stored manifest: the acceptance applies to no other. */
  manifestSha256: z.string(),
  reason: z.string(),
  at: z.string(),
  /** The user name of the process. */
  by: z.string(),
});
/** `snapshots/{id}/accepted.json`: an operator accepted a doubtful snapshot as good. */
export type Acceptance = z.infer<typeof acceptanceSchema>;

export const adoptionSchema = z.object({ manifestSha256: z.string(), at: z.string() });
/** `snapshots/{id}/adopted.json`: an unsigned snapshot was verified in full when a signing key was set. */
export type Adoption = z.infer<typeof adoptionSchema>;

/** Null when there is none, or none that can be read. */
export function readAcceptance(store: ObjectStore, id: string): Promise<Acceptance | null> {
  return readKnown(store, acceptedName(id), acceptanceSchema);
}

export function readAdoption(store: ObjectStore, id: string): Promise<Adoption | null> {
  return readKnown(store, adoptedName(id), adoptionSchema);
}

export function writeAcceptance(store: ObjectStore, acceptance: Acceptance): Promise<void> {
  return overwriteObject(store, acceptedName(acceptance.snapshot), encodeJson(acceptance));
}

export function writeAdoption(store: ObjectStore, id: string, adoption: Adoption): Promise<void> {
  return overwriteObject(store, adoptedName(id), encodeJson(adoption));
}
