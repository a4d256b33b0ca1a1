import pMap from 'p-map';
import { z } from 'zod';
import type { ObjectStore, Signer } from '../ports/index.js';
import { timeOfId, isId } from '../runs/ids.js';
import { catalogEntry, snapshotIds, type FullEntry } from '../snapshot/catalog.js';
import { assessor } from '../snapshot/latest.js';
import { purposeOf } from '../snapshot/manifest.js';
import { verifySignature } from '../snapshot/summary.js';
import { readTombstones, type Tombstone } from '../snapshot/tombstone.js';
import { findSignatureProblem, type TrustContext } from '../snapshot/trust.js';
import { readVerification } from '../snapshot/statements.js';
import { isOurs, type RetentionEntry } from './policy.js';
import { passOver } from '../control/authenticated-store.js';
import { parseStored } from '../json.js';
import { runName } from '../runs/records.js';

/** Snapshots read at a time. */
const SNAPSHOTS_AT_A_TIME = 8;

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
  const read = await pMap(ids, (id) => readOne(store, id), { concurrency: SNAPSHOTS_AT_A_TIME });
  const tombstones = await readTombstones({ signer, store });
  const found = read.filter((one) => one !== null);
  const now = clock.now();
  const newest = found.filter(({ id }) => timeOfId(id) <= now).at(-1)?.id;
  const links = linksOf(found, tombstones);
  const assessed = await assessor(context, [...found].reverse());
  const listed = found.map((entry): ListedSnapshot => {
    const isLinked = entry.id === newest || links.has(`${entry.id} ${entry.sha256}`);
    return {
      ...entry,
      isAuthentic: isAuthentic(entry, signer, isLinked),
      state: assessed(entry).state,
      ours: isOurs(entry, context),
      signatureFits: findSignatureProblem(entry, signer) === null,
    };
  });
  const have = new Set(found.map(({ id }) => id));
  return { listed, bare: ids.filter((id) => !have.has(id)), tombstones };
}

/** Whether it is unknown to which database's snapshots the rules apply. */
export function isAmbiguous(
  entries: readonly Pick<RetentionEntry, 'manifest'>[],
  { sources }: Pick<TrustContext, 'sources'>,
): boolean {
  const backups = entries.flatMap(({ manifest }) =>
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

/**
 * Whether the hash in the manifest is right and, with a key, the signature is valid: that is stronger evidence than a
 * successor's link, which is the only evidence without a key.
 */
function isAuthentic({ manifest, sealed }: FullEntry, signer: Signer, isLinked: boolean): boolean {
  if (manifest === null || sealed === null) return false;
  const { fits, signature } = verifySignature(manifest, sealed, signer);
  return fits && (signature ?? isLinked);
}

/** Reads the verification of an unreadable manifest, too. */
async function readOne(store: ObjectStore, id: string): Promise<FullEntry | null> {
  const entry = await catalogEntry(store, id);
  if (entry === null || entry.manifest !== null || entry.refusal !== undefined) return entry;
  return { ...entry, verification: await readVerification(store, id) };
}

const RUNS = 'runs/';
/** Records of runs read at a time. */
const RUNS_AT_A_TIME = 16;
const OVER: ReadonlySet<string> = new Set(['succeeded', 'incomplete', 'failed']);
/** Removals are held after this many snapshot runs without a success. */
const FAILURES = 3;

/** A lenient schema: a record of another version must not count as a run that is over. */
const recordSchema = z.object({
  kind: z.string(),
  state: z.string(),
  input: z.unknown(),
  result: z.unknown(),
  error: z.unknown(),
  finishedAt: z.string().nullable(),
});

export interface RunSummary {
  readonly id: string;
  /** Null if the record is gone or unreadable. */
  readonly kind: string | null;
  readonly state: string | null;
  readonly over: boolean;
  /** Whether a record exists, readable or not. */
  readonly recorded: boolean;
  /** Milliseconds since the epoch; null while it is not over. */
  readonly finishedAt: number | null;
  /** The snapshot named in the run's input. */
  readonly snapshot: string | null;
  readonly wroteManifest: boolean;
  /** The code of the run's error. */
  readonly failure: string | null;
}

/** All runs with objects in the store, oldest first. Runs in `known` that are over are not read again. */
export async function loadRunSummaries(store: ObjectStore, known: readonly RunSummary[] = []): Promise<RunSummary[]> {
  const over = new Map(known.filter((run) => run.over).map((run) => [run.id, run]));
  const ids: string[] = [];
  for await (const folder of store.folders(RUNS)) if (isId(folder)) ids.push(folder);
  return pMap(ids, async (id) => over.get(id) ?? loadRunSummary(store, id), { concurrency: RUNS_AT_A_TIME });
}

/** Snapshots that unfinished runs use: those that they take or save, and those that they read. */
export function snapshotsInUse(runs: readonly RunSummary[]): Set<string> {
  const open = runs.filter((run) => run.recorded && !run.over);
  return new Set(open.flatMap(({ id, snapshot }) => (snapshot === null ? [id] : [id, snapshot])));
}

/** Runs that failed because the store was full do not count: pruning is the remedy. */
export function lastSnapshotRunsFailed(runs: readonly RunSummary[]): boolean {
  const last = runs
    .filter(({ failure, kind, over }) => kind === 'snapshot' && over && failure !== 'store-full')
    .slice(-FAILURES);
  return last.length === FAILURES && last.every(({ state }) => state !== 'succeeded');
}

export async function loadRunSummary(store: ObjectStore, id: string): Promise<RunSummary> {
  const found = await store.read(runName(id));
  const record = found === null ? null : parseStored(recordSchema, found.body);
  if (record === null) {
    if (found !== null) passOver(store, runName(id), found);
    const nothing = { kind: null, state: null, finishedAt: null, snapshot: null, wroteManifest: false, failure: null };
    return { id, recorded: found !== null, over: false, ...nothing };
  }
  const { error, kind, state, input, result } = record;
  const finishedAt = Date.parse(record.finishedAt ?? '');
  return {
    id,
    kind,
    state,
    recorded: true,
    over: OVER.has(state),
    finishedAt: Number.isNaN(finishedAt) ? null : finishedAt,
    snapshot: textIn(input, 'snapshot'),
    wroteManifest: textIn(result, 'manifestSha256') !== null,
    failure: textIn(error, 'code'),
  };
}

function textIn(value: unknown, name: string): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const text = (value as Record<string, unknown>)[name];
  return typeof text === 'string' ? text : null;
}

/** Snapshots whose manifest is gone without a tombstone or an interrupted run to explain it. */
export function missingSnapshots({
  stored,
  runs,
}: {
  readonly stored: StoredSnapshots;
  readonly runs: readonly RunSummary[];
}): string[] {
  const wrote = new Set(runs.filter((run) => run.wroteManifest).map(({ id }) => id));
  const linked = new Set([
    ...stored.listed.map(({ manifest }) => manifest?.previous?.id),
    ...[...stored.tombstones.values()].map(({ previous }) => previous?.id),
  ]);
  return stored.bare.filter((id) => !stored.tombstones.has(id) && (linked.has(id) || wrote.has(id)));
}
