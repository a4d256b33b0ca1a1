import { isId } from '../../runs/ids.js';
import { isDue } from '../../snapshot/expiry-time.js';
import type { Manifest } from '../../snapshot/manifest.js';
import { keyOf } from '../../snapshot/record.js';
import { sourceRecords } from '../../snapshot/source-records.js';
import type { RestoreContext, RestorePorts } from '../context.js';
import type { TargetRecord } from '../model.js';
import type { Proof } from '../proof-counts.js';
import { savedManifest } from '../saved-manifest.js';
import { itemsIn, listMode } from '../selected.js';
import { memberPages, membersOf, NAME_BYTES, readLivePages, sameScore, type ListPage } from './members.js';
import { readPlaced, type Placed } from './placed.js';
import { count, joined, sourcePlaces } from './tasks.js';
import { listOf } from './unite.js';

/** Of the safety snapshot's lists, what is read with one request at most, and is in memory. */
const PAGES = 50;
const BYTES = 2 * NAME_BYTES;

const IN_SCOPE: ReadonlySet<string> = new Set(['owned', 'partial']);

/** The safety snapshot, as far as lists are held against it; null where nothing was there, or nothing was saved. */
export async function savedLists(
  ports: RestorePorts,
  { input, state }: Pick<RestoreContext, 'input' | 'state'>,
): Promise<Manifest | null> {
  if (listMode(input) === 'replace' || state.targetEmpty || state.undo === null || !isId(state.undo)) return null;
  return savedManifest(ports.store, state.undo);
}

/**
 * Proves that no list lost a member which was there before anything was written, by one part of the safety snapshot. In
 * mode `merge` a member is also where it belongs when the snapshot has it in another list of the group, and its score
 * may be the snapshot's; when items are replaced, they alone may have gone. A list that has expired is excused: by its own
 * expiry, or by that of the snapshot, whose `records` are read only when a list has lost members.
 */
export async function proveKept(
  ports: RestorePorts,
  context: RestoreContext,
  run: string,
  saved: Manifest,
  part: number,
  proof: Proof,
  records: () => AsyncIterable<TargetRecord>,
): Promise<void> {
  const { belongs, input, redis } = context;
  const mode = listMode(input);
  const placed = mode === 'merge' ? await readPlaced(ports.store, sourcePlaces(run)) : null;
  let batch: ListPage[] = [];
  let bytes = 0;
  const lost = new Map<string, ListPage>();
  const flush = async (): Promise<void> => {
    const pages = batch;
    [batch, bytes] = [[], 0];
    const live = await readLivePages(redis, pages);
    const now = context.now();
    for (const [at, page] of pages.entries()) {
      // It may have gone while it was read.
      if (page.expiresAt !== undefined && isDue(page.expiresAt, now)) continue;
      // Of another type means that it was replaced on purpose, or by somebody else; the list's own proof tells.
      if (live[at]?.type === 'other' || live[at]?.type === 'unsavable') continue;
      const isLost = page.members.some(
        ({ name, score }, n) =>
          !isKept(page, name, score, live[at]?.scores[n] ?? null, placed) && !mayGo(input, page, name, placed),
      );
      if (isLost) lost.set(page.key.toString('utf8'), page);
    }
  };
  for await (const { first, rest } of sourceRecords(ports, saved, part)) {
    const found = listOf(keyOf(first), mode);
    if (found === null || first.t !== found.list.type) continue;
    if (!IN_SCOPE.has(belongs(keyOf(first), found.known))) continue;
    if (first.x !== undefined && isDue(first.x, context.now())) continue;
    for await (const line of joined(first, rest)) {
      for (const members of memberPages(membersOf(line), ({ name }) => name)) {
        batch.push({ key: keyOf(first), ...found, members, expiresAt: first.x });
        bytes += members.reduce((sum, { name }) => sum + name.length, 0);
        if (batch.length >= PAGES || bytes >= BYTES) await flush();
      }
    }
  }
  if (batch.length > 0) await flush();
  if (lost.size > 0) await excuseExpired(context, lost, records);
  for (const { key, known } of lost.values()) await count(ports, proof, key, known.family, 'different', 'members-lost');
}

async function excuseExpired(
  { now }: RestoreContext,
  lost: Map<string, ListPage>,
  records: () => AsyncIterable<TargetRecord>,
): Promise<void> {
  for await (const { expired, first } of records()) {
    const isOver = expired || (first.x !== undefined && isDue(first.x, now()));
    if (isOver) lost.delete(keyOf(first).toString('utf8'));
    if (lost.size === 0) return;
  }
}

function isKept(
  { key, known, list }: ListPage,
  name: Buffer,
  score: string | null,
  live: string | null,
  placed: Placed | null,
): boolean {
  const isSnapshots = placed?.here(known, key, name) === true;
  if (live === null) return list.group !== null && !isSnapshots && placed?.anywhere(known, name) === true;
  return isSnapshots || score === null || sameScore(live, score);
}

/** Whether a member is an item that is replaced, and that the snapshot does not have in the list. */
function mayGo(
  { mode, scope }: RestoreContext['input'],
  { key, known }: ListPage,
  name: Buffer,
  placed: Placed | null,
): boolean {
  if (mode !== 'replace' || !itemsIn(scope, known.project).has(name.toString('utf8'))) return false;
  return placed?.here(known, key, name) !== true;
}
