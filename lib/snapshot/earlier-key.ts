import pMap from 'p-map';
import { signAgain } from '../control/authenticated-store.js';
import type { Signer } from '../ports/crypto.js';
import type { ObjectStore } from '../ports/store.js';
import { runIds } from '../runs/recent.js';
import { runName } from '../runs/records.js';
import { catalog } from './catalog.js';
import { readTombstones } from './tombstone.js';

const PREFIXES = ['guard/', 'drills/', 'credentials/', 'rotations/'] as const;
const AT_A_TIME = 16;

/** What still has the signature of an earlier key. */
interface SignedEarlier {
  /** Control objects that could not be signed again. */
  readonly objects: readonly string[];
  /** Snapshots, whose manifests keep their signature; oldest first. */
  readonly snapshots: readonly string[];
}

/** Reads everything in a store that is kept long, which signs it again where another accepted key signed it. */
export async function renewSignatures(ports: {
  readonly store: ObjectStore;
  readonly signer: Signer;
}): Promise<SignedEarlier> {
  const { signer, store } = ports;
  const names = (await runIds(store)).map(runName);
  for (const prefix of PREFIXES) for await (const { name } of store.list(prefix)) names.push(name);
  const left = await pMap(names, async (name) => ((await signAgain(store, name)) ? [] : [name]), {
    concurrency: AT_A_TIME,
  });
  await readTombstones(ports);
  const snapshots: string[] = [];
  for await (const { id, manifest, sealed } of catalog(store)) {
    const signature = manifest?.seal.signature ?? null;
    if (sealed === null || signature === null || signer.verify(sealed, signature) !== true) continue;
    if (signer.sign(sealed) !== signature) snapshots.push(id);
  }
  return { objects: left.flat(), snapshots: snapshots.sort() };
}
