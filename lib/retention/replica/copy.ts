import { overwriteObject } from '../../control/object.js';
import pMap from 'p-map';
import type { ObjectStore } from '../../ports/store.js';
import { manifestName, partName } from '../../snapshot/names.js';
import { sha256, type Manifest, type Part } from '../../snapshot/manifest.js';
import { writeVerification, type Verification } from '../../snapshot/statements.js';
import { objectsOf } from '../prune/sweeper.js';
import type { RemovalLease } from '../removal-lease.js';

/** Parts copied concurrently; each is held in memory. */
const PARTS_AT_A_TIME = 2;

export interface Stores {
  readonly store: ObjectStore;
  readonly replica: ObjectStore;
}

interface CopyRequest {
  readonly manifest: Manifest;
  readonly verification: Verification;
  /** Whether to stop; parts already copied are not copied again. */
  readonly isStopped: () => boolean;
  readonly lease: RemovalLease;
  readonly onCopied: (bytes: number) => void;
}

/** `gone`: removed from the first store meanwhile. `damaged` names the part that does not match the manifest. */
type Copied = 'copied' | 'stopped' | 'gone' | { readonly damaged: string };

/**
 * Copies one snapshot: every part, compared with the manifest, then the verification, and the manifest last. Without a manifest
 * it is not a snapshot, so half a copy cannot be mistaken for a whole one.
 */
export async function copySnapshot(stores: Stores, request: CopyRequest): Promise<Copied> {
  const { manifest, verification, lease, isStopped } = request;
  const there = await objectsOf(stores.replica, manifest.id);
  const sizes = new Map(there.map(({ name, size }) => [name, size]));
  const damaged: string[] = [];
  const failures: unknown[] = [];
  await pMap(
    manifest.parts,
    async (part) => {
      if (isStopped() || damaged.length + failures.length > 0) return;
      try {
        await lease.keep();
        if (!(await copyPart(stores, manifest.id, part, sizes, request.onCopied))) damaged.push(part.name);
      } catch (error) {
        failures.push(error);
      }
    },
    { concurrency: PARTS_AT_A_TIME },
  );
  // The other write has ended as well: a process that ends during one leaves half an object in a folder store.
  if (failures.length > 0) throw failures[0];
  const source = await stores.store.read(manifestName(manifest.id));
  if (source === null) return 'gone';
  if (damaged[0] !== undefined) return { damaged: partName(manifest.id, damaged[0]) };
  if (isStopped()) return 'stopped';
  // A snapshot is whole without its key index: a damaged index is not copied.
  if (manifest.keyIndex !== undefined) {
    await copyPart(stores, manifest.id, manifest.keyIndex, sizes, request.onCopied);
  }
  await writeVerification(stores.replica, manifest.id, verification);
  await lease.confirm();
  await stores.replica.create(manifestName(manifest.id), source.body);
  request.onCopied(source.body.length);
  return 'copied';
}

/** Returns false if the first store does not have the bytes that the manifest names. */
async function copyPart(
  { store, replica }: Stores,
  id: string,
  part: Pick<Part, 'name' | 'stored'>,
  sizes: ReadonlyMap<string, number>,
  onCopied: (bytes: number) => void,
): Promise<boolean> {
  const name = partName(id, part.name);
  const isRight = (body: Buffer | undefined): boolean => body !== undefined && sha256(body) === part.stored.sha256;
  if (sizes.get(name) === part.stored.bytes && isRight((await replica.read(name))?.body)) return true;
  const found = await store.read(name);
  if (found === null || !isRight(found.body)) return false;
  onCopied(found.body.length);
  // Other bytes under this name are damaged: a part is written once.
  await overwriteObject(replica, name, found.body);
  return true;
}
