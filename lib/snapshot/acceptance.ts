import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { acceptedName, adoptedName } from './names.js';

export const acceptanceSchema = z.object({
  snapshot: z.string(),
  /** SHA-256 of the manifest as it was stored then: of another manifest it says nothing. */
  manifestSha256: z.string(),
  reason: z.string(),
  at: z.string(),
  /** Who: the user name of the process. */
  by: z.string(),
});
/** `snapshots/{id}/accepted.json`: an operator knows why the snapshot is as it is, and takes it for a good one. */
export type Acceptance = z.infer<typeof acceptanceSchema>;

export const adoptionSchema = z.object({ manifestSha256: z.string(), at: z.string() });
/** `snapshots/{id}/adopted.json`: an unsigned snapshot was verified in full when a signing key was set. */
export type Adoption = z.infer<typeof adoptionSchema>;

/** Null when there is none, or none that can be read. */
export function readAcceptance(store: ObjectStore, id: string): Promise<Acceptance | null> {
  return readAs(store, acceptedName(id), acceptanceSchema);
}

export function readAdoption(store: ObjectStore, id: string): Promise<Adoption | null> {
  return readAs(store, adoptedName(id), adoptionSchema);
}

export function writeAcceptance(store: ObjectStore, acceptance: Acceptance): Promise<void> {
  return overwrite(store, acceptedName(acceptance.snapshot), encodeJson(acceptance));
}

export function writeAdoption(store: ObjectStore, id: string, adoption: Adoption): Promise<void> {
  return overwrite(store, adoptedName(id), encodeJson(adoption));
}

/** Writes an object over whatever it was before. */
export async function overwrite(store: ObjectStore, name: string, body: Buffer): Promise<void> {
  for (;;) {
    const found = await store.read(name);
    if (found === null && (await store.create(name, body)).created) return;
    if (found !== null && (await store.swap(name, body, found.etag)) !== null) return;
  }
}

async function readAs<T>(store: ObjectStore, name: string, schema: z.ZodType<T>): Promise<T | null> {
  const found = await store.read(name);
  if (found === null) return null;
  try {
    return schema.parse(decodeJson(found.body));
  } catch {
    return passOver(store, name, found);
  }
}
