import { timeOfId } from '../runs/ids.js';
import { catalog, type CatalogEntry } from '../snapshot/catalog.js';
import { AHEAD_MS } from '../snapshot/order.js';
import { sizesOf } from '../snapshot/sizes.js';
import { plainLabel, shortSource } from '../snapshot/source.js';
import { assess, isVerified, type SnapshotState, type TrustContext } from '../snapshot/trust.js';
import type { Context } from './context.js';
import { bytes, count, duration, printable } from './output/format.js';
import { table } from './output/table.js';
import { storeEnvironment } from './store-choice.js';
import { connectedTrust } from './trust.js';
import { deploymentOf } from '../connect/deployment.js';

/** A snapshot as `snapshots list --json` gives it; sizes in bytes, null where the manifest cannot be read. */
interface Listed {
  readonly id: string;
  readonly createdAt: string;
  /** 0 for one that is dated in the future: see `aheadSeconds`. */
  readonly ageSeconds: number;
  readonly aheadSeconds: number;
  readonly state: 'complete' | 'incomplete' | 'unreadable';
  /** `safety`: a restore took it of what was there before it began. */
  readonly purpose: 'backup' | 'safety' | null;
  /** Whether it is complete, read back and found whole, and signed as it should be. */
  readonly verified: boolean;
  readonly verification: 'verified' | 'damaged' | null;
  /** What it is worth: only the newest `trusted` one is `latest`. */
  readonly trust: SnapshotState;
  readonly reasons: readonly string[];
  /** Keys that no record can hold, and keys that the database counts and did not name. */
  readonly unsupported: number | null;
  readonly unexplained: number | null;
  /** The first digits of the source, and the label of the deployment that took it. */
  readonly source: string | null;
  readonly label: string | null;
  /** Whether it is of the database that is configured here; null where none is. */
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

/** `snapshots list`: the snapshots there are, newest first. */
export async function list(context: Context, options: ListOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const trust = await connectedTrust(context, env);
  const snapshots: Listed[] = [];
  let more = false;
  for await (const entry of catalog(trust.store)) {
    more = snapshots.length === options.limit;
    if (more) break;
    snapshots.push(describe(entry, trust));
  }
  context.document({ snapshots, more, deployment: deploymentOf(env) });
  context.print(snapshots.length === 0 ? nothingIn(env['BACKUP_STORE'] ?? '') : view(snapshots));
  if (more) context.note(`There are older ones: see them with --limit.`);
  return 0;
}

/** Names the place: a disk that is not mounted, or a wrong prefix, looks like a store with nothing in it. */
function nothingIn(store: string): string {
  return `There is no snapshot in ${store}. If there should be, check BACKUP_STORE; else take one: soulcaster-backup backup`;
}

function describe(entry: CatalogEntry, trust: TrustContext): Listed {
  const { id, manifest, verification } = entry;
  const sizes = manifest === null ? null : sizesOf(manifest);
  const age = trust.clock.now() - timeOfId(id);
  const { state, reasons } = assess(entry, trust);
  return {
    id,
    createdAt: manifest?.createdAt ?? isoOf(timeOfId(id)),
    ageSeconds: Math.max(0, Math.round(age / 1000)),
    aheadSeconds: age < -AHEAD_MS ? Math.round(-age / 1000) : 0,
    state: manifest?.state ?? 'unreadable',
    purpose: manifest === null ? null : (manifest.purpose ?? 'backup'),
    verified: isVerified(entry, trust.signer),
    verification: verification?.state ?? null,
    unsupported: manifest?.ledger.unsupported.count ?? null,
    unexplained: manifest === null ? null : (manifest.names?.unexplained ?? 0),
    trust: state,
    reasons,
    source: manifest === null ? null : shortSource(manifest.source),
    label: manifest === null ? null : plainLabel(manifest.label),
    own: manifest === null || trust.sources === null ? null : trust.sources.has(manifest.source),
    keys: manifest?.counts.keys ?? null,
    parts: manifest?.parts.length ?? null,
    plainBytes: sizes?.plain ?? null,
    storedBytes: sizes?.stored ?? null,
  };
}

/** An id need not hold a time that there is. */
function isoOf(time: number): string {
  return Number.isNaN(time) ? 'unknown' : new Date(time).toISOString();
}

function view(snapshots: readonly Listed[]): string {
  const size = (value: number | null): string => (value === null ? '?' : bytes(value));
  const number = (value: number | null): string => (value === null ? '?' : count(value));
  const rows = snapshots.map((each) => [
    each.id,
    ageWords(each),
    each.purpose === 'safety' ? `${each.state}, safety` : each.state,
    verifiedWord(each),
    each.trust,
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

/** A safety snapshot was read back too, though nothing but the undoing of its restore relies on it. */
function verifiedWord({ trust, verified }: Listed): string {
  if (trust === 'damaged') return 'DAMAGED';
  return verified ? 'yes' : 'no';
}

/** `this` is the one that is configured here. */
function databaseWords({ label, own, source }: Listed): string {
  if (source === null) return '?';
  return `${own === true ? 'this' : source}${label === null ? '' : ` (${printable(label)})`}`;
}
