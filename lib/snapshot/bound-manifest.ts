import { z } from 'zod';
import { AppError } from '../errors.js';
import { decodeJson } from '../json.js';
import type { ObjectStore, Signer } from '../ports/index.js';
import { loadManifest, sha256, type LoadedManifest } from './manifest.js';

const adoptedSchema = z.object({ manifestSha256: z.string() });

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
  if (seal.signature === null && (await isAdopted(store, id, loaded.sha256))) return loaded;
  throw alteredError(id, 'is not signed with an accepted key');
}

async function isAdopted(store: ObjectStore, id: string, manifest: string): Promise<boolean> {
  const found = await store.read(`snapshots/${id}/adopted.json`);
  const adopted = found === null ? null : adoptedSchema.safeParse(decodeJson(found.body));
  return adopted?.success === true && adopted.data.manifestSha256 === manifest;
}

function alteredError(id: string, what: string): AppError {
  return new AppError('damaged', `The manifest of snapshot ${id} ${what}`, {
    hint: 'Find out who writes to the bucket. Bring back the previous version of the object, or use another snapshot.',
  });
}
