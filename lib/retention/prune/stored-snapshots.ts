import pMap from 'p-map';
import type { ObjectStore, Signer } from '../../ports/index.js';
import { timeOfId } from '../../runs/ids.js';
import { catalogEntry, snapshotIds, type FullEntry } from '../../snapshot/catalog.js';
import { assessor } from '../../snapshot/latest.js';
import { purposeOf, sha256 } from '../../snapshot/manifest.js';
import { readTombstones, type Tombstone } from '../../snapshot/tombstone.js';
import { objectionToSignature, type TrustContext } from '../../snapshot/trust.js';
import { readVerification } from '../../snapshot/verification.js';
import { isOurs, type RetentionEntry } from '../policy.js';

const READS_AT_A_TIME = 8;

/** A snapshot that has a manifest, whatever is in it. */
export interface ListedSnapshot extends RetentionEntry {
  readonly manifest: FullEntry['manifest'];
  readonly sealed: FullEntry['sealed'];
  /** Whether its seal fits and, where a key is set, is signed with it or was adopted. */
  readonly signatureFits: boolean;
}

export interface StoredSnapshots {
  /** Oldest first. */
  readonly listed: readonly ListedSnapshot[];
  /** Ids under which something is stored, but no manifest. */
  readonly bare: readonly string[];
  readonly tombstones: ReadonlyMap<string, Tombstone>;
}

/** Everything that has to do with snapshots, as retention needs to know it. */
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
    const known = entry.id === newest || links.has(`${entry.id} ${entry.sha256}`);
    const signed = signatureOf(signer, entry);
    return {
      ...entry,
      // A signature says more than a successor. Without a key there is nothing else to go by.
      vouched: signed ?? known,
      state: assessed(entry).state,
      ours: isOurs(entry, context),
      signatureFits: objectionToSignature(entry, signer) === null,
    };
  });
  const have = new Set(found.map(({ id }) => id));
  return { listed, bare: ids.filter((id) => !have.has(id)), tombstones };
}

/** Whether it cannot be told whose snapshots the rules are for. */
export function isAmbiguous({ listed }: StoredSnapshots, { sources }: TrustContext): boolean {
  const backups = listed.flatMap(({ manifest }) =>
    manifest === null || purposeOf(manifest) !== 'backup' ? [] : [manifest],
  );
  return sources === null && new Set(backups.map(({ source }) => source)).size > 1;
}

/** Every `id hash` that a later snapshot, there or removed, has recorded for the one before it. */
function linksOf(found: readonly FullEntry[], tombstones: StoredSnapshots['tombstones']) {
  const links = [
    ...found.map(({ manifest }) => manifest?.previous ?? null),
    ...[...tombstones.values()].map(({ previous }) => previous),
  ];
  return new Set(links.flatMap((link) => (link === null ? [] : [`${link.id} ${link.sha256}`])));
}

/** False when the seal does not fit, null when it does and there is no key to judge the signature by. */
function signatureOf(signer: Signer, { manifest, sealed }: FullEntry): boolean | null {
  if (manifest === null || sealed === null || sha256(sealed) !== manifest.seal.sha256) return false;
  return signer.verify(sealed, manifest.seal.signature ?? '');
}

/** What was found of a manifest that cannot be read counts as well. */
async function readOne(store: ObjectStore, id: string): Promise<FullEntry | null> {
  const entry = await catalogEntry(store, id);
  if (entry === null || entry.manifest !== null || entry.refusal !== undefined) return entry;
  return { ...entry, verification: await readVerification(store, id) };
}
