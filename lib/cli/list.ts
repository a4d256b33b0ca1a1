import { loadRunSummary } from '../retention/stored.js';
import { timeOfId } from '../runs/ids.js';
import { snapshotIds, type CatalogEntry } from '../snapshot/catalog.js';
import { listEntries } from '../snapshot/catalog-object.js';
import { assessor } from '../snapshot/latest.js';
import { purposeOf, type Purpose } from '../snapshot/manifest.js';
import { AHEAD_MS } from '../snapshot/order.js';
import { readPins } from '../snapshot/pins.js';
import { plainLabel, shortSource } from '../snapshot/source.js';
import { tombstoneIds } from '../snapshot/tombstone.js';
import { isVerified, type Assessment, type SnapshotState, type TrustContext } from '../snapshot/trust.js';
import type { Context } from './context.js';
import { bytes, count, duration } from '../formats.js';
import { printable } from '../snapshot/ledger.js';
import { table } from './output/table.js';
import { storeEnvironment } from '../app/connect/stores.js';
import { openTrust } from './trust.js';
import { deploymentOf } from '../app/connect/database.js';

/** A snapshot in `snapshots list --json`. Sizes are in bytes; null if the manifest cannot be read. */
interface Listed {
  readonly id: string;
  readonly createdAt: string;
  /** 0 for a snapshot dated in the future: see `aheadSeconds`. */
  readonly ageSeconds: number;
  readonly aheadSeconds: number;
  readonly state: 'complete' | 'incomplete' | 'unreadable';
  /** `safety`: taken by a restore before it wrote; `imported`: made from a file. */
  readonly purpose: Purpose | null;
  /** Whether it is complete, verified, and signed as required. */
  readonly verified: boolean;
  readonly verification: 'verified' | 'damaged' | null;
  /** Its state of trust: the newest `trusted` snapshot is `latest`. */
  readonly trust: SnapshotState;
  readonly reasons: readonly string[];
  /** Whether an operator pinned it, so that prune does not remove it. */
  readonly pinned: boolean;
  /** Keys of types that cannot be saved, and keys that DBSIZE counts but SCAN did not return. */
  readonly unsupported: number | null;
  readonly unexplained: number | null;
  /** The first digits of its source, and the label of the deployment that took it. */
  readonly source: string | null;
  readonly label: string | null;
  /** Whether it is of the database configured here; null if none is. */
  readonly own: boolean | null;
  readonly keys: number | null;
  readonly parts: number | null;
  readonly plainBytes: number | null;
  readonly storedBytes: number | null;
}

export interface ListOptions {
  readonly limit: number;
  readonly replica?: boolean;
}

/** `snapshots list`: lists the snapshots, newest first. */
export async function listSnapshots(context: Context, options: ListOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const trust = await openTrust(context, env);
  const entries = await listEntries(trust);
  const assessed = await assessor(trust, entries);
  const pins = await readPins(trust.store);
  const snapshots = entries
    .slice(0, options.limit)
    .map((entry) => toListed(entry, assessed(entry), trust, pins.has(entry.id)));
  const bare = await listUnfinished(trust, entries);
  const gone = await withoutManifest(trust, entries, bare);
  const unfinished = bare.filter((id) => !gone.includes(id));
  const more = entries.length > options.limit;
  context.document({ snapshots, more, unfinished, missing: gone, deployment: deploymentOf(env) });
  context.print(snapshots.length === 0 ? emptyStoreText(env['BACKUP_STORE'] ?? '') : snapshotsTable(snapshots));
  if (more) context.note(`There are older snapshots: list more with --limit.`);
  if (unfinished.length > 0) {
    context.note(
      `Not listed, because they have no manifest: ${unfinished.join(', ')}. A backup or import is still writing them, or was interrupted: \`prune\` removes the remains after RETENTION_ASIDE_DAYS. To remove them now: \`npx soulcaster-backup snapshots forget ID --reason TEXT --env-file .env\`.`,
    );
  }
  if (gone.length > 0) {
    context.note(
      `Not listed, because their manifests are gone although no command removed them: ${gone.join(', ')}. If the bucket keeps versions, bring the older versions of manifest.json back. To give up the remains: \`npx soulcaster-backup snapshots forget ID --force --reason TEXT --env-file .env\`.`,
    );
  }
  return 0;
}

/** The ids that were complete snapshots: a later snapshot links to them, or their run wrote a manifest. */
async function withoutManifest(
  { store }: TrustContext,
  entries: readonly CatalogEntry[],
  bare: readonly string[],
): Promise<string[]> {
  const linked = new Set(entries.map(({ manifest }) => manifest?.previous?.id));
  const runs = await Promise.all(bare.map((id) => loadRunSummary(store, id)));
  return runs.filter(({ id, wroteManifest }) => wroteManifest || linked.has(id)).map(({ id }) => id);
}

/** Names the store: an unmounted disk or a wrong prefix looks like an empty store. */
function emptyStoreText(store: string): string {
  return `There is no snapshot in ${store}. If there should be one, check BACKUP_STORE; else take one: npx soulcaster-backup backup --env-file .env`;
}

/** Ids that have objects but neither a manifest nor a tombstone, oldest first. */
async function listUnfinished({ store }: TrustContext, entries: readonly CatalogEntry[]): Promise<string[]> {
  const listed = new Set(entries.map(({ id }) => id));
  const bare = (await snapshotIds(store)).filter((id) => !listed.has(id));
  if (bare.length === 0) return [];
  const pruned = new Set(await tombstoneIds(store));
  return bare.filter((id) => !pruned.has(id));
}

function toListed(entry: CatalogEntry, { state, reasons }: Assessment, trust: TrustContext, pinned: boolean): Listed {
  const { id, manifest, sizes, verification } = entry;
  const age = trust.clock.now() - timeOfId(id);
  return {
    id,
    createdAt: manifest?.createdAt ?? isoOf(timeOfId(id)),
    ageSeconds: Math.max(0, Math.round(age / 1000)),
    aheadSeconds: age < -AHEAD_MS ? Math.round(-age / 1000) : 0,
    state: manifest?.state ?? 'unreadable',
    purpose: manifest === null ? null : purposeOf(manifest),
    verified: isVerified(entry, trust.signer),
    verification: verification?.state ?? null,
    pinned,
    unsupported: manifest?.ledger.unsupported.count ?? null,
    unexplained: manifest?.names?.unexplained ?? null,
    trust: state,
    reasons,
    source: manifest === null ? null : shortSource(manifest.source),
    label: manifest === null ? null : plainLabel(manifest.label),
    own: manifest === null || trust.sources === null ? null : trust.sources.has(manifest.source),
    keys: manifest?.counts.keys ?? null,
    parts: sizes?.parts ?? null,
    plainBytes: sizes?.plain ?? null,
    storedBytes: sizes?.stored ?? null,
  };
}

/** An id may contain an invalid time. */
function isoOf(time: number): string {
  return Number.isNaN(time) ? 'unknown' : new Date(time).toISOString();
}

function snapshotsTable(snapshots: readonly Listed[]): string {
  const size = (value: number | null): string => (value === null ? '?' : bytes(value));
  const number = (value: number | null): string => (value === null ? '?' : count(value));
  const rows = snapshots.map((each) => [
    each.id,
    ageWords(each),
    each.purpose === null || each.purpose === 'backup' ? each.state : `${each.state}, ${each.purpose}`,
    verifiedWord(each),
    each.pinned ? `${each.trust}, pinned` : each.trust,
    number(each.keys),
    size(each.storedBytes),
    number(each.parts),
    databaseWords(each),
  ]);
  const heads = ['id', 'age', 'state', 'verified', 'trust', 'keys', 'size', 'parts', 'database'];
  const reasons = snapshots
    .filter(({ trust, reasons: some }) => trust !== 'safety' && some.length > 0)
    .map(({ id, trust, reasons: some }) => `${id} is ${trust}: ${some.map(printable).join('; ')}`);
  return [table(heads, rows, [5, 6, 7]), ...(reasons.length === 0 ? [] : [reasons.join('\n')])].join('\n\n');
}

function ageWords({ ageSeconds, aheadSeconds }: Listed): string {
  return aheadSeconds > 0 ? `dated ${duration(aheadSeconds * 1000)} ahead` : duration(ageSeconds * 1000);
}

function verifiedWord({ trust, verified }: Listed): string {
  if (trust === 'damaged') return 'DAMAGED';
  return verified ? 'yes' : 'no';
}

/** `this` means the database configured here. */
function databaseWords({ label, own, source }: Listed): string {
  if (source === null) return '?';
  return `${own === true ? 'this' : source}${label === null ? '' : ` (${printable(label)})`}`;
}
