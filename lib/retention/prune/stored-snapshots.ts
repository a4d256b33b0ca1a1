import pMap from 'p-map';
import type { ObjectStore, Signer } from '../../ports/index.js';
import { timeOfId } from '../../runs/ids.js';
import { catalogEntry, snapshotIds, type FullEntry } from '../../snapshot/catalog.js';
import { assessor } from '../../snapshot/latest.js';
import { purposeOf, sha256 } from '../../snapshot/manifest.js';
import { readTombstones, type Tombstone } from '../../snapshot/tombstone.js';
import { findSignatureProblem, type TrustContext } from '../../snapshot/trust.js';
import { readVerification } from '../../snapshot/verification.js';
import { isOurs, type RetentionEntry } from '../policy.js';

const READS_AT_A_TIME = 8;

/** A snapshot with a manifest, readable or not. */
export interface ListedSnapshot extends RetentionEntry {
  readonly manifest: FullEntry['manifest'];
  readonly sealed: FullEntry['sealed'];
  /** Whether the hash in its manifest is correct and, if a key is set, signed with the key or adopted. */
  readonly signatureFits: boolean;
}

export interface StoredSnapshots {
  /** Oldest first. */
  readonly listed: readonly ListedSnapshot[];
  /** Ids with objects but without a manifest. */
  readonly bare: readonly string[];
  readonly tombstones: ReadonlyMap<string, Tombstone>;
}

/** Loads all snapshots, ids without a manifest, and tombstones. */
export async function loadSnapshots(context: TrustContext): Promise<StoredSnapshots> {
  const { clock, signer, store } = context;
  const ids = await snapshotIds(store);
  const read = await pMap(ids, (id) => readOne(store, id), { concurrency: READS_AT_A_TIME });
  const tombstones = await readTombstones({ signer, store });
  const found = read.filter((one) => one !== null);
  const now = clock.now();
  const newest = found.filter(({ id }) => timeOfId(id) <= now).at(-1)?.id;
  const links = linksOf(found, tombstones);
  const assessed = await assessor(context, [...found].reverse());
  const listed = found.map((entry): ListedSnapshot => {
    const isLinked = entry.id === newest || links.has(`${entry.id} ${entry.sha256}`);
    const signature = verifySignature(signer, entry);
    return {
      ...entry,
      // A signature is stronger evidence than a successor's link, which is the only evidence without a key.
      isAuthentic: signature ?? isLinked,
      state: assessed(entry).state,
      ours: isOurs(entry, context),
      signatureFits: findSignatureProblem(entry, signer) === null,
    };
  });
  const have = new Set(found.map(({ id }) => id));
  return { listed, bare: ids.filter((id) => !have.has(id)), tombstones };
}

/** Whether it is unknown to which database's snapshots the rules apply. */
export function isAmbiguous({ listed }: StoredSnapshots, { sources }: TrustContext): boolean {
  const backups = listed.flatMap(({ manifest }) =>
    manifest === null || purposeOf(manifest) !== 'backup' ? [] : [manifest],
  );
  return sources === null && new Set(backups.map(({ source }) => source)).size > 1;
}

/** Every `id hash` that a later snapshot, present or removed, has recorded for its predecessor. */
function linksOf(found: readonly FullEntry[], tombstones: StoredSnapshots['tombstones']) {
  const links = [
    ...found.map(({ manifest }) => manifest?.previous ?? null),
    ...[...tombstones.values()].map(({ previous }) => previous),
  ];
  return new Set(links.flatMap((link) => (link === null ? [] : [`${link.id} ${link.sha256}`])));
}

/** False if the hash in the manifest is wrong; null if it is correct and there is no key to verify the signature with. */
function verifySignature(signer: Signer, { manifest, sealed }: FullEntry): boolean | null {
  if (manifest === null || sealed === null || sha256(sealed) !== manifest.seal.sha256) return false;
  return signer.verify(sealed, manifest.seal.signature ?? '');
}

/** Reads the verification of an unreadable manifest, too. */
async function readOne(store: ObjectStore, id: string): Promise<FullEntry | null> {
  const entry = await catalogEntry(store, id);
  if (entry === null || entry.manifest !== null || entry.refusal !== undefined) return entry;
  return { ...entry, verification: await readVerification(store, id) };
}
