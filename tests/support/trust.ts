import type { ObjectStore, Signer } from '../../lib/ports/index.js';
import { catalogEntry, type CatalogEntry } from '../../lib/snapshot/catalog.js';
import { selectSnapshot } from '../../lib/snapshot/select.js';
import { assess, type SnapshotState, type TrustContext } from '../../lib/snapshot/trust.js';
import { latestTrusted } from '../../lib/snapshot/latest.js';
import { UNSIGNED } from './made-snapshots.js';

/** Later than every clock of a test. */
const LATE = Date.parse('2200-01-01T00:00:00Z');

interface TrustParts {
  readonly signer?: Signer;
  readonly now?: number;
  /** Null: no database is configured. */
  readonly own?: string | null;
  readonly sources?: ReadonlySet<string> | null;
}

/** What snapshots of a store are judged by; unless told otherwise no database is configured, and it is late. */
export function trustIn(store: ObjectStore, parts: TrustParts = {}): TrustContext {
  const { signer = UNSIGNED, now = LATE, own = null, sources = own === null ? null : new Set([own]) } = parts;
  return { store, signer, clock: { now: () => now }, own, sources };
}

/** The id that `latest` means; null when there is none. */
export async function latestIn(store: ObjectStore, parts: TrustParts = {}): Promise<string | null> {
  return (await latestTrusted(trustIn(store, parts)))?.id ?? null;
}

export async function selectedIn(store: ObjectStore, wanted: string, parts: TrustParts = {}): Promise<string> {
  return (await selectSnapshot(trustIn(store, parts), wanted)).id;
}

export async function stateIn(store: ObjectStore, id: string, parts: TrustParts = {}): Promise<SnapshotState | null> {
  const entry = await catalogEntry(store, id);
  return entry === null ? null : assess(entry, trustIn(store, parts)).state;
}

export function isGood(entry: CatalogEntry, parts: TrustParts = {}): boolean {
  return assess(entry, trustIn({} as ObjectStore, parts)).state === 'trusted';
}
