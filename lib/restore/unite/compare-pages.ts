import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import { byBytes, bytesOfArgument } from '../../redis/halving.js';
import { sameExpiry } from '../../snapshot/expiry-time.js';
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
import type { Placed } from './placed.js';

/** What decides which members of the snapshot's lists belong into the target's. */
export interface ComparisonContext {
  readonly redis: RedisPort;
  /** Never `replace`: there lists are values. */
  readonly mode: Mode;
  /** Whether single items are restored: then a list that is there stays what it is, its expiry included. */
  readonly isItems: boolean;
  /** Whether what is there is saved first: then a list is left that is now of a type no snapshot can hold. */
  readonly safety: boolean;
  /** Mode `missing`: where the members of grouped lists were before anything was written; null in an empty target. */
  readonly placed: Placed | null;
  /** Mode `missing`: keys that are absent and will be written; null once they have been. */
  readonly coming: ((key: Buffer) => boolean) | null;
}

export interface ComparedPage {
  readonly page: ListPage;
  readonly live: LivePage;
  /** What is to be written: members that lack, and in `merge` those of another score, with the score that they get. */
  readonly add: readonly Member[];
  /** Members that are there with another score, which `missing` leaves. */
  readonly differ: number;
  /** Whether the list is there with another expiry: `merge` gives it the snapshot's, `missing` leaves it. */
  readonly expiry: boolean;
}

/**
 * Compares pages of the snapshot's lists with the target, with few requests for all of them. The same question is
 * the plan (what would be added), the write (add it) and the proof (nothing is left to add), so that a task may run twice.
 */
export async function comparePages(comparison: ComparisonContext, pages: readonly ListPage[]): Promise<ComparedPage[]> {
  const { redis, mode, safety } = comparison;
  const read = await readLivePages(redis, pages);
  const live = read.map((page): LivePage => (page.type !== 'unsavable' || safety ? page : { ...page, type: 'other' }));
  const expiry = pages.map((page, at) => !comparison.isItems && expiresElse(page, live[at] as LivePage));
  if (mode === 'merge') {
    return pages.map((page, at) => ({ ...merged(page, live[at] as LivePage), expiry: expiry[at] === true }));
  }
  const lacking = pages.map((page, at) => lackingOf(comparison, page, live[at] as LivePage));
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
    differ: page.members.filter(({ score }, n) => !isEqual(live[at]?.scores[n] ?? null, score)).length,
    expiry: expiry[at] === true,
  }));
}

function expiresElse(page: ListPage, live: LivePage): boolean {
  return live.type === 'list' && !sameExpiry(live.expiresAt, page.expiresAt);
}

/** The snapshot's members and scores win. */
function merged(page: ListPage, live: LivePage): Omit<ComparedPage, 'expiry'> {
  if (live.type === 'unsavable') return { page, live, add: [], differ: 0 };
  const add = page.members.filter(({ score }, at) => {
    const found = live.scores[at] ?? null;
    return found === null || (score !== null && !sameScore(found, score));
  });
  return { page, live, add, differ: 0 };
}

function isEqual(found: string | null, score: string | null): boolean {
  return found === null || score === null || sameScore(found, score);
}

/** Members that the live list lacks, and that no other list of its group had. */
function lackingOf({ placed }: ComparisonContext, { known, list, members }: ListPage, live: LivePage): Member[] {
  return members.filter(({ name }, at) => {
    if ((live.scores[at] ?? null) !== null) return false;
    return list.group === null || placed === null || !placed.anywhere(known, name);
  });
}

/** Whether the keys that members stand for are there, or will be. */
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
  const found = await existing(redis, wanted);
  return keys.map((some) => some.map((key) => coming?.(key) === true || found.has(key.toString('utf8'))));
}

/** Those of the keys that are there. One EXISTS counts many: only where some are there and some are not, each is asked for. */
export async function existing(redis: RedisPort, keys: readonly Buffer[]): Promise<ReadonlySet<string>> {
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

/** An item has one time: where the other of its two lists still has it, the live score is taken. */
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
    const asked = members.length === 0 ? 0 : (twins[at] ?? []).length;
    const scores = replies.slice(next, (next += asked));
    return members.map((member, n) => {
      const found = scores.map((reply) => ('value' in reply && Array.isArray(reply.value) ? reply.value[n] : null));
      const score = found.find((value) => value !== null && value !== undefined);
      return score === undefined ? member : { ...member, score: String(score) };
    });
  });
}
