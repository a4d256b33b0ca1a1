import { loadRunSummary } from '../retention/stored.js';
import { timeOfId } from '../runs/ids.js';
import { snapshotIds, type CatalogEntry } from '../snapshot/catalog.js';
import { listEntries } from '../snapshot/catalog-object.js';
import { assessor, describeSnapshot } from '../snapshot/latest.js';
import { AHEAD_MS } from '../snapshot/order.js';
import { readPins } from '../snapshot/pins.js';
import { tombstoneIds } from '../snapshot/tombstone.js';
import { isVerified, type Assessment, type TrustContext } from '../snapshot/trust.js';
import type { Context } from './context.js';
import { bytes, count, duration } from '../formats.js';
import { printable } from '../snapshot/ledger.js';
import { table } from './output/table.js';
import { storeEnvironment } from '../app/connect/stores.js';
import { openTrust } from './trust.js';
import { deploymentOf } from '../app/connect/database.js';

/** A snapshot in `snapshots list --json`. */
type Listed = ReturnType<typeof toListed>;

interface ListOptions {
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

function toListed(entry: CatalogEntry, assessment: Assessment, trust: TrustContext, pinned: boolean) {
  const { id, manifest, verification } = entry;
  const age = trust.clock.now() - timeOfId(id);
  return {
    ...describeSnapshot(entry, assessment, trust),
    createdAt: manifest?.createdAt ?? isoOf(timeOfId(id)),
    /** 0 for a snapshot dated in the future: see `aheadSeconds`. */
    ageSeconds: Math.max(0, Math.round(age / 1000)),
    aheadSeconds: age < -AHEAD_MS ? Math.round(-age / 1000) : 0,
    /** Whether it is complete, verified, and signed as required. */
    verified: isVerified(entry, trust.signer),
    verification: verification?.state ?? null,
    /** Whether an operator pinned it, so that prune does not remove it. */
    pinned,
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
    each.aheadSeconds > 0 ? `dated ${duration(each.aheadSeconds * 1000)} ahead` : duration(each.ageSeconds * 1000),
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

function verifiedWord({ trust, verified }: Listed): string {
  if (trust === 'damaged') return 'DAMAGED';
  return verified ? 'yes' : 'no';
}

/** `this` means the database configured here. */
function databaseWords({ label, own, source }: Listed): string {
  if (source === null) return '?';
  return `${own === true ? 'this' : source}${label === null ? '' : ` (${printable(label)})`}`;
}
