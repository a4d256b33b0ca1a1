import { connect } from '../connect.js';
import { timeOfId } from '../runs/ids.js';
import { catalog, isVerified, type CatalogEntry } from '../snapshot/catalog.js';
import { sizesOf } from '../snapshot/sizes.js';
import type { Context } from './context.js';
import { bytes, count, duration } from './output/format.js';
import { table } from './output/table.js';
import { storeEnvironment } from './store-choice.js';

/** A snapshot as `list --json` gives it; sizes in bytes, null where the manifest cannot be read. */
interface Listed {
  readonly id: string;
  readonly createdAt: string;
  readonly ageSeconds: number;
  readonly state: 'complete' | 'incomplete' | 'unreadable';
  /** `safety`: a restore took it of what was there before it began. */
  readonly purpose: 'backup' | 'safety' | null;
  /** Whether it may be relied on: complete, read back and found whole. */
  readonly verified: boolean;
  readonly verification: 'verified' | 'damaged' | null;
  readonly keys: number | null;
  readonly parts: number | null;
  readonly plainBytes: number | null;
  readonly storedBytes: number | null;
}

export interface ListOptions {
  readonly limit: number;
  readonly replica?: boolean;
}

/** `list`: the snapshots there are, newest first. */
export async function list(context: Context, options: ListOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const { clock, store } = connect(env, ['clock', 'store']);
  const snapshots: Listed[] = [];
  let more = false;
  for await (const entry of catalog(store)) {
    more = snapshots.length === options.limit;
    if (more) break;
    snapshots.push(describe(entry, clock.now()));
  }
  context.document({ snapshots, more });
  context.print(snapshots.length === 0 ? nothingIn(env['BACKUP_STORE'] ?? '') : view(snapshots));
  if (more) context.note(`There are older ones: see them with --limit.`);
  return 0;
}

/** Names the place: a disk that is not mounted, or a wrong prefix, looks like a store with nothing in it. */
function nothingIn(store: string): string {
  return `There is no snapshot in ${store}. If there should be, check BACKUP_STORE; else take one: soulcaster-backup backup`;
}

function describe(entry: CatalogEntry, now: number): Listed {
  const { id, manifest, verification } = entry;
  const sizes = manifest === null ? null : sizesOf(manifest);
  return {
    id,
    createdAt: manifest?.createdAt ?? new Date(timeOfId(id)).toISOString(),
    ageSeconds: Math.max(0, Math.round((now - timeOfId(id)) / 1000)),
    state: manifest?.state ?? 'unreadable',
    purpose: manifest === null ? null : (manifest.purpose ?? 'backup'),
    verified: isVerified(entry),
    verification: verification?.state ?? null,
    keys: manifest?.counts.keys ?? null,
    parts: manifest?.parts.length ?? null,
    plainBytes: sizes?.plain ?? null,
    storedBytes: sizes?.stored ?? null,
  };
}

function view(snapshots: readonly Listed[]): string {
  const size = (value: number | null): string => (value === null ? '?' : bytes(value));
  const number = (value: number | null): string => (value === null ? '?' : count(value));
  const rows = snapshots.map((each) => [
    each.id,
    duration(each.ageSeconds * 1000),
    each.purpose === 'safety' ? `${each.state}, safety` : each.state,
    verifiedWord(each),
    number(each.keys),
    size(each.storedBytes),
    number(each.parts),
  ]);
  return table(['id', 'age', 'state', 'verified', 'keys', 'size', 'parts'], rows, [4, 5, 6]);
}

/** A safety snapshot was read back too, though nothing but the undoing of its restore relies on it. */
function verifiedWord({ purpose, state, verification, verified }: Listed): string {
  if (verification === 'damaged') return 'DAMAGED';
  const isWhole = state === 'complete' && verification === 'verified';
  return verified || (purpose === 'safety' && isWhole) ? 'yes' : 'no';
}
