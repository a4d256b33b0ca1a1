import { isId } from '../../runs/ids.js';
import { isDue, keyOf } from '../../snapshot/record.js';
import type { Manifest } from '../../snapshot/manifest.js';
import { sourceRecords } from '../../snapshot/source-records.js';
import type { RestoreContext, RestorePorts } from '../context.js';
import type { TargetRecord } from '../model.js';
import { countKey, type Proof } from '../proof.js';
import { loadSafetyManifest } from '../safety.js';
import { itemsIn, listMode } from '../scope.js';
import { allLines, memberPages, membersOf, NAME_BYTES, readLivePages, sameScore, type ListPage } from './members.js';
import { readPlacements, type Placements } from './placed.js';
import { sourcePlacements } from './tasks.js';
import { listOf } from './unite.js';

/** The most pages and bytes of the safety snapshot's lists in one request, and in memory. */
const PAGES = 50;
const BYTES = 2 * NAME_BYTES;

const IN_SCOPE: ReadonlySet<string> = new Set(['owned', 'partial']);

/** The safety snapshot that lists are compared with; null when the target was empty or nothing was saved. */
export async function savedLists(
  ports: RestorePorts,
  { input, state }: Pick<RestoreContext, 'input' | 'state'>,
): Promise<Manifest | null> {
  if (listMode(input) === 'replace' || state.targetEmpty || state.undo === null || !isId(state.undo)) return null;
  return loadSafetyManifest(ports.store, state.undo);
}

/**
 * Proves with one part of the safety snapshot that no list lost a member that it had before the first write. In mode
 * `merge` a member may also have moved to the list of the group where the snapshot has it, and have the snapshot's
 * score; when items are replaced, these items may be gone. An expired list is excused, by its own expiry or the
 * snapshot's; the `records` are read for this only when a list has lost members.
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
  const placed = mode === 'merge' ? await readPlacements(ports.store, sourcePlacements(run)) : null;
  let batch: ListPage[] = [];
  let bytes = 0;
  const lost = new Map<string, ListPage>();
  const flush = async (): Promise<void> => {
    const pages = batch;
    [batch, bytes] = [[], 0];
    const live = await readLivePages(redis, pages);
    const now = context.now();
    for (const [at, page] of pages.entries()) {
      // The list may have expired while it was read.
      if (page.expiresAt !== undefined && isDue(page.expiresAt, now)) continue;
      // A key of another type was replaced by the restore or by another client; the proof of the list itself reports
      // this.
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
    for await (const line of allLines(first, rest)) {
      for (const members of memberPages(membersOf(line))) {
        batch.push({ key: keyOf(first), ...found, members, expiresAt: first.x });
        bytes += members.reduce((sum, { name }) => sum + name.length, 0);
        if (batch.length >= PAGES || bytes >= BYTES) await flush();
      }
    }
  }
  if (batch.length > 0) await flush();
  if (lost.size > 0) await excuseExpired(context, lost, records);
  for (const { key } of lost.values()) await countKey(ports, proof, key, 'different', 'members-lost');
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
  placed: Placements | null,
): boolean {
  const isSnapshots = placed?.isInList(known, key, name) === true;
  if (live === null) return list.group !== null && !isSnapshots && placed?.isInGroup(known, name) === true;
  return isSnapshots || score === null || sameScore(live, score);
}

/** Whether the member is a replaced item that the snapshot does not have in this list. */
function mayGo(
  { mode, scope }: RestoreContext['input'],
  { key, known }: ListPage,
  name: Buffer,
  placed: Placements | null,
): boolean {
  if (mode !== 'replace' || !itemsIn(scope, known.project).has(name.toString('utf8'))) return false;
  return placed?.isInList(known, key, name) !== true;
}
