import { z } from 'zod';
import { readKnown, overwriteObject } from '../control/object.js';
import { AppError } from '../errors.js';
import { encodeJson } from '../json.js';
import type { ObjectStore, Signer } from '../ports/index.js';
import { loadManifest, sha256, type LoadedManifest } from './manifest.js';
import { acceptedName, adoptedName, verificationName } from './names.js';

/* What the objects beside a manifest state about a snapshot: its verification, and operators' decisions to rely on it. */

export const verificationSchema = z.object({
  state: z.enum(['verified', 'damaged']),
  at: z.string(),
  /** The run that verified the snapshot. */
  run: z.string(),
  /** What was checked: `lines`, or only `stored-bytes` where parts are encrypted and no identity was set. */
  depth: z.enum(['lines', 'stored-bytes']),
  findings: z.array(z.object({ code: z.string(), subject: z.string(), detail: z.string() })),
  /** SHA-256 of the stored manifest; absent in those of backups, imports and older versions. */
  manifestSha256: z.string().optional(),
});
export type Verification = z.infer<typeof verificationSchema>;

/** Null when there is none, or it cannot be read; so the other readers here. */
export function readVerification(store: ObjectStore, snapshot: string): Promise<Verification | null> {
  return readKnown(store, verificationName(snapshot), verificationSchema);
}

/** Replaces the outcome of the previous verification. */
export function writeVerification(store: ObjectStore, snapshot: string, verification: Verification): Promise<void> {
  return overwriteObject(store, verificationName(snapshot), encodeJson(verification));
}

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

export function readAcceptance(store: ObjectStore, id: string): Promise<Acceptance | null> {
  return readKnown(store, acceptedName(id), acceptanceSchema);
}

export function writeAcceptance(store: ObjectStore, acceptance: Acceptance): Promise<void> {
  return overwriteObject(store, acceptedName(acceptance.snapshot), encodeJson(acceptance));
}

export const adoptionSchema = z.object({ manifestSha256: z.string(), at: z.string() });
/** `snapshots/{id}/adopted.json`: an unsigned snapshot was verified in full when a signing key was set. */
export type Adoption = z.infer<typeof adoptionSchema>;

export function readAdoption(store: ObjectStore, id: string): Promise<Adoption | null> {
  return readKnown(store, adoptedName(id), adoptionSchema);
}

export function writeAdoption(store: ObjectStore, id: string, adoption: Adoption): Promise<void> {
  return overwriteObject(store, adoptedName(id), encodeJson(adoption));
}

/** Whether the manifest is unsigned and was adopted. */
export async function isAdopted(store: ObjectStore, { manifest, sha256: stored }: LoadedManifest): Promise<boolean> {
  return manifest.seal.signature === null && (await readAdoption(store, manifest.id))?.manifestSha256 === stored;
}

/**
 * Loads a snapshot's manifest for a phase of a run: its hash and signature are valid, and it is the manifest that the run
 * began with (`expected`: the SHA-256 of the object; null where it is not known yet). An adopted snapshot needs no
 * signature. Throws `damaged`; null when there is no manifest.
 */
export async function loadBoundManifest(
  { store, signer }: { readonly store: ObjectStore; readonly signer: Signer },
  id: string,
  expected: string | null,
): Promise<LoadedManifest | null> {
  const loaded = await loadManifest(store, id);
  if (loaded === null) return null;
  const { seal } = loaded.manifest;
  if (expected !== null && loaded.sha256 !== expected) throw alteredError(id, 'was replaced while a run was using it');
  if (sha256(loaded.sealed) !== seal.sha256) throw alteredError(id, 'does not match its own hash');
  if (signer.verify(loaded.sealed, seal.signature ?? '') !== false) return loaded;
  if (await isAdopted(store, loaded)) return loaded;
  throw alteredError(id, 'is not signed with an accepted key');
}

function alteredError(id: string, what: string): AppError {
  return new AppError('damaged', `The manifest of snapshot ${id} ${what}`, {
    hint: 'Find out who writes to the bucket. Bring back the previous version of the object, or use another snapshot.',
  });
}
