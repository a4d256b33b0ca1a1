import { ageEncryptor } from '../../lib/crypto/age.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { openSnapshot, type OpenSnapshot } from '../../lib/inspect/open.js';
import type { ObjectStore, Encryptor } from '../../lib/ports/index.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

/** Small parts, so that a few keys make many. */
export const PARTS = { partBytes: 3_000, pageBytes: 500, inFlight: 1 };

export interface InspectBench extends SnapshotBench {
  /** Opens a snapshot; `store` in the place of the bench's. */
  look(id: string, parts?: { readonly store?: ObjectStore; readonly encryptor?: Encryptor }): Promise<OpenSnapshot>;
}

export async function openInspectBench(limits: { replyBytes?: number } = {}): Promise<InspectBench> {
  const bench = await openSnapshotBench(limits);
  return {
    ...bench,
    async look(id, parts = {}) {
      const ports = {
        clock: bench.clock,
        encryptor: parts.encryptor ?? ageEncryptor({ recipients: [], identity: null }),
        signer: ed25519Signer({ privateKey: null, publicKey: null }),
        store: parts.store ?? bench.folder.store,
      };
      return (await openSnapshot(ports, null, id)).snapshot;
    },
  };
}

/** A store that counts the parts and the indexes that are read. */
export function countingStore(store: ObjectStore): {
  readonly store: ObjectStore;
  readonly parts: string[];
  readonly indexes: string[];
} {
  const [parts, indexes]: [string[], string[]] = [[], []];
  return {
    parts,
    indexes,
    store: {
      ...store,
      read(name) {
        if (name.includes('/part-')) parts.push(name);
        if (name.includes('/keys-')) indexes.push(name);
        return store.read(name);
      },
    },
  };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
