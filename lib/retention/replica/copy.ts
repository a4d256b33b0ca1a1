import { overwriteObject } from '../../control/object.js';
import pMap from 'p-map';
import type { ObjectStore } from '../../ports/store.js';
import { manifestName, partName } from '../../snapshot/names.js';
import { sha256, type Manifest, type Part } from '../../snapshot/manifest.js';
import { writeVerification, type Verification } from '../../snapshot/verification.js';
import type { RemovalLease } from '../removal-lease.js';

/** Parts under way at a time; each is in memory whole. */
const PARTS_AT_A_TIME = 2;

export interface Stores {
  readonly store: ObjectStore;
  readonly replica: ObjectStore;
}

interface Copying {
  readonly manifest: Manifest;
  readonly verification: Verification;
  /** Whether the copy stops; what it has copied stays and is not copied again. */
  readonly stopped: () => boolean;
  readonly lease: RemovalLease;
  readonly onCopied: (bytes: number) => void;
}

/** `gone`: removed from the first store meanwhile. `damaged` names the part that is not as the manifest says. */
export type Copied = 'copied' | 'stopped' | 'gone' | { readonly damaged: string };

/**
 * Copies one snapshot: every part, compared with the manifest on its way, then what is known of it, and the manifest
 * last. Without a manifest it is no snapshot: nobody takes half a copy for a whole one.
 */
export async function copySnapshot(stores: Stores, copying: Copying): Promise<Copied> {
  const { manifest, verification, lease, stopped } = copying;
  const there = await sizesAt(stores.replica, manifest.id);
  const damaged: string[] = [];
  await pMap(
    manifest.parts,
    async (part) => {
      if (stopped() || damaged.length > 0) return;
      await lease.keep();
      if (!(await copyPart(stores, manifest.id, part, there, copying.onCopied))) damaged.push(part.name);
    },
    { concurrency: PARTS_AT_A_TIME },
  );
  const source = await stores.store.read(manifestName(manifest.id));
  if (source === null) return 'gone';
  if (damaged[0] !== undefined) return { damaged: partName(manifest.id, damaged[0]) };
  if (stopped()) return 'stopped';
  // Without its index a snapshot is whole all the same: one that is not as it was written stays behind.
  if (manifest.keyIndex !== undefined) {
    await copyPart(stores, manifest.id, manifest.keyIndex, there, copying.onCopied);
  }
  await writeVerification(stores.replica, manifest.id, verification);
  await lease.confirm();
  await stores.replica.create(manifestName(manifest.id), source.body);
  copying.onCopied(source.body.length);
  return 'copied';
}

/** False when the first store does not have the bytes that the manifest names. */
async function copyPart(
  { store, replica }: Stores,
  id: string,
  part: Pick<Part, 'name' | 'stored'>,
  there: ReadonlyMap<string, number>,
  onCopied: (bytes: number) => void,
): Promise<boolean> {
  const name = partName(id, part.name);
  const isRight = (body: Buffer | undefined): boolean => body !== undefined && sha256(body) === part.stored.sha256;
  if (there.get(name) === part.stored.bytes && isRight((await replica.read(name))?.body)) return true;
  const found = await store.read(name);
  if (found === null || !isRight(found.body)) return false;
  onCopied(found.body.length);
  // Other bytes under this name were never good: a part is written once.
  await overwriteObject(replica, name, found.body);
  return true;
}

async function sizesAt(replica: ObjectStore, id: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { name, size } of replica.list(`snapshots/${id}/`)) sizes.set(name, size);
  return sizes;
}
