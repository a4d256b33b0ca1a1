import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import { byBytes, bytesOfArgument } from '../../redis/halving.js';
import { sameExpiry } from '../../snapshot/record.js';
import type { Mode } from '../model.js';
import {
  runCommands,
  NAME_BYTES,
  readLivePages,
  sameScore,
  valueOf,
  type ListPage,
  type LivePage,
  type Member,
} from './members.js';
import type { Placements } from './placed.js';

/** What decides which members of the snapshot's lists belong in the target's lists. */
export interface ComparisonContext {
  readonly redis: RedisPort;
  /** Never `replace`, in which lists are values. */
  readonly mode: Mode;
  /** Whether single items are restored: then existing lists keep everything else, including their expiry. */
  readonly isItems: boolean;
  /** Whether the target is saved first: then a key is left that is now of a type no snapshot can hold. */
  readonly safety: boolean;
  /** Mode `missing`: the lists of all grouped members before anything was written; null for an empty target. */
  readonly placed: Placements | null;
  /** Mode `missing`: absent keys that will be written; null once they have been. */
  readonly coming: ((key: Buffer) => boolean) | null;
}

export interface ComparedPage {
  readonly page: ListPage;
  readonly live: LivePage;
  /** Members to write: absent ones and, in `merge`, those with another score, each with its new score. */
  readonly add: readonly Member[];
  /** Members present with another score, which `missing` keeps. */
  readonly differ: number;
  /** Whether the list exists with another expiry: `merge` sets the snapshot's, `missing` keeps it. */
  readonly expiry: boolean;
}

/**
 * Compares pages of the snapshot's lists with the target, with few requests for all of them. The plan (what would be
 * added), the write (add it) and the proof (nothing is left to add) use the same comparison, so that a task may run
 * twice.
 */
export async function comparePages(comparison: ComparisonContext, pages: readonly ListPage[]): Promise<ComparedPage[]> {
  const { redis, mode, safety } = comparison;
  const read = await readLivePages(redis, pages);
  const live = read.map((page): LivePage => (page.type !== 'unsavable' || safety ? page : { ...page, type: 'other' }));
  const expiry = pages.map((page, at) => !comparison.isItems && hasOtherExpiry(page, live[at] as LivePage));
  if (mode === 'merge') {
    return pages.map((page, at) => ({ ...compareForMerge(page, live[at] as LivePage), expiry: expiry[at] === true }));
  }
  const lacking = pages.map((page, at) => missingMembers(comparison, page, live[at] as LivePage));
  const known = await whichExist(comparison, pages, lacking);
  const scored = await withTwinScores(
    redis,
    pages,
    lacking.map((members, at) => members.filter((_, n) => known[at]?.[n])),
  );
  return pages.map((page, at) => ({
    page,
    live: live[at] as LivePage,
    add: live[at]?.type === 'other' || live[at]?.type === 'unsavable' ? [] : (scored[at] ?? []),
    differ: page.members.filter(({ score }, n) => !isAbsentOrEqual(live[at]?.scores[n] ?? null, score)).length,
    expiry: expiry[at] === true,
  }));
}

function hasOtherExpiry(page: ListPage, live: LivePage): boolean {
  return live.type === 'list' && !sameExpiry(live.expiresAt, page.expiresAt);
}

/** The snapshot's members and scores win. */
function compareForMerge(page: ListPage, live: LivePage): Omit<ComparedPage, 'expiry'> {
  if (live.type === 'unsavable') return { page, live, add: [], differ: 0 };
  const add = page.members.filter(({ score }, at) => {
    const found = live.scores[at] ?? null;
    return found === null || (score !== null && !sameScore(found, score));
  });
  return { page, live, add, differ: 0 };
}

function isAbsentOrEqual(found: string | null, score: string | null): boolean {
  return found === null || score === null || sameScore(found, score);
}

/** Members that the live list lacks and that no other list of its group had. */
function missingMembers({ placed }: ComparisonContext, { known, list, members }: ListPage, live: LivePage): Member[] {
  return members.filter(({ name }, at) => {
    if ((live.scores[at] ?? null) !== null) return false;
    return list.group === null || placed === null || !placed.isInGroup(known, name);
  });
}

/** Whether the keys that members refer to exist or will be written. */
async function whichExist(
  { redis, coming }: ComparisonContext,
  pages: readonly ListPage[],
  lacking: readonly (readonly Member[])[],
): Promise<boolean[][]> {
  const keys = lacking.map((members, at) => {
    const { known, list } = pages[at] as ListPage;
    return members.map(({ name }) => Buffer.from(list.keyOf(known, name.toString('utf8'))));
  });
  const wanted = keys.flat().filter((key) => coming?.(key) !== true);
  const found = await findExisting(redis, wanted);
  return keys.map((some) => some.map((key) => coming?.(key) === true || found.has(key.toString('utf8'))));
}

/** The keys that exist. One EXISTS counts many keys; keys are queried singly only when some exist and some do not. */
export async function findExisting(redis: RedisPort, keys: readonly Buffer[]): Promise<ReadonlySet<string>> {
  const groups = [...byBytes(keys, bytesOfArgument, NAME_BYTES)];
  const counts = await runCommands(
    redis,
    groups.map((group): RedisCommand => ['EXISTS', ...group]),
  );
  const there = groups.map((_, at) => Number(valueOf(counts[at])));
  const mixed = groups.flatMap((group, at) => (there[at] === 0 || there[at] === group.length ? [] : group));
  const replies = await runCommands(
    redis,
    mixed.map((key): RedisCommand => ['EXISTS', key]),
  );
  const whole = groups.flatMap((group, at) => (there[at] === group.length ? group : []));
  const single = mixed.filter((_, at) => valueOf(replies[at]) === 1);
  return new Set([...whole, ...single].map((key) => key.toString('utf8')));
}

/** An item has one time: if its other list still has it, the live score is used. */
async function withTwinScores(
  redis: RedisPort,
  pages: readonly ListPage[],
  adds: readonly (readonly Member[])[],
): Promise<Member[][]> {
  const twins = pages.map(({ known, list }) => (list.twin === null ? [] : list.twin(known)));
  const commands = pages.flatMap((_, at): RedisCommand[] => {
    const names = (adds[at] ?? []).map(({ name }) => name);
    return names.length === 0 ? [] : (twins[at] ?? []).map((key): RedisCommand => ['ZMSCORE', key, ...names]);
  });
  const replies = await runCommands(redis, commands);
  let next = 0;
  return pages.map((_, at) => {
    const members = adds[at] ?? [];
    const queried = members.length === 0 ? 0 : (twins[at] ?? []).length;
    const scores = replies.slice(next, (next += queried));
    return members.map((member, n) => {
      const found = scores.map((reply) => ('value' in reply && Array.isArray(reply.value) ? reply.value[n] : null));
      const score = found.find((value) => value !== null && value !== undefined);
      return score === undefined ? member : { ...member, score: String(score) };
    });
  });
}
