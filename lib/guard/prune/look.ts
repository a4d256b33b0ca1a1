import pMap from 'p-map';
import { AppError } from '../../errors.js';
import type { ObjectStore, Signer } from '../../ports/index.js';
import { timeOfId } from '../../runs/ids.js';
import { snapshotIds } from '../../snapshot/catalog.js';
import { parseManifest, sha256, type LoadedManifest } from '../../snapshot/manifest.js';
import { manifestName } from '../../snapshot/names.js';
import { readTombstones, type Tombstone } from '../../snapshot/tombstone.js';
import { readVerification } from '../../snapshot/verification.js';
import type { RetentionEntry } from '../retention/policy.js';

const READS_AT_A_TIME = 8;

/** A snapshot that has a manifest, whatever is in it. */
export interface ListedSnapshot extends RetentionEntry {
  /** SHA-256 of the manifest as it is stored. */
  readonly sha256: string;
  /** Whether its seal fits and, where a key is set, is signed with it. */
  readonly sealed: boolean;
}

export interface StoreLook {
  /** Oldest first. */
  readonly listed: readonly ListedSnapshot[];
  /** Ids under which something is stored, but no manifest. */
  readonly bare: readonly string[];
  readonly tombstones: ReadonlyMap<string, Tombstone>;
}

interface LookPorts {
  readonly clock: { now(): number };
  readonly signer: Signer;
  readonly store: ObjectStore;
}

/** Everything that has to do with snapshots, as retention needs to know it. */
export async function lookAtSnapshots(ports: LookPorts): Promise<StoreLook> {
  const ids = await snapshotIds(ports.store);
  const read = await pMap(ids, (id) => readOne(ports.store, id), { concurrency: READS_AT_A_TIME });
  const tombstones = await readTombstones(ports);
  const found = read.filter((one) => one !== null);
  const now = ports.clock.now();
  const newest = found.filter(({ id }) => timeOfId(id) <= now).at(-1)?.id;
  const links = linksOf(found, tombstones);
  const listed = found.map(({ id, loaded, newerFormat, sha256: hash, verification }): ListedSnapshot => {
    const known = id === newest || links.has(`${id} ${hash}`);
    const signed = loaded === null ? false : signatureOf(ports.signer, loaded);
    const manifest = loaded?.manifest ?? null;
    // A signature says more than a successor. Without a key there is nothing else to go by.
    const vouched = signed ?? known;
    return { id, manifest, verification, vouched, newerFormat, sha256: hash, sealed: signed !== false };
  });
  const have = new Set(found.map(({ id }) => id));
  return { listed, bare: ids.filter((id) => !have.has(id)), tombstones };
}

/** Every `id hash` that a later snapshot, there or removed, has recorded for the one before it. */
function linksOf(found: readonly { loaded: LoadedManifest | null }[], tombstones: StoreLook['tombstones']) {
  const links = [
    ...found.map(({ loaded }) => loaded?.manifest.previous ?? null),
    ...[...tombstones.values()].map(({ previous }) => previous),
  ];
  return new Set(links.flatMap((link) => (link === null ? [] : [`${link.id} ${link.sha256}`])));
}

/** False when the seal does not fit, null when it does and there is no key to judge the signature by. */
function signatureOf(signer: Signer, { manifest, sealed }: LoadedManifest): boolean | null {
  if (sha256(sealed) !== manifest.seal.sha256) return false;
  return signer.verify(sealed, manifest.seal.signature ?? '');
}

async function readOne(store: ObjectStore, id: string) {
  const found = await store.read(manifestName(id));
  if (found === null) return null;
  const verification = await readVerification(store, id);
  return { id, sha256: sha256(found.body), verification, ...open(id, found.body) };
}

function open(id: string, body: Buffer): { loaded: LoadedManifest | null; newerFormat: boolean } {
  try {
    return { loaded: parseManifest(id, body), newerFormat: false };
  } catch (error) {
    if (!(error instanceof AppError) || (error.code !== 'damaged' && error.code !== 'newer-format')) throw error;
    return { loaded: null, newerFormat: error.code === 'newer-format' };
  }
}
