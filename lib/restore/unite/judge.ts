import type { RedisCommand, RedisPort } from '../../ports/redis.js';
import type { Mode } from '../model.js';
import { readLivePages, sameScore, valueOf, type ListPage, type LivePage, type Member } from './members.js';
import type { Placed } from './placed.js';

/** What decides which members of the snapshot's lists belong into the target's. */
export interface Judgement {
  readonly redis: RedisPort;
  /** Never `replace`: there lists are values. */
  readonly mode: Mode;
  /** Whether what is there is saved first: then a list is left that is now of a type no snapshot can hold. */
  readonly safety: boolean;
  /** Mode `missing`: where the members of grouped lists were before anything was written; null in an empty target. */
  readonly placed: Placed | null;
  /** Mode `missing`: keys that are absent and will be written; null once they have been. */
  readonly coming: ((key: Buffer) => boolean) | null;
}

export interface Judged {
  readonly page: ListPage;
  readonly live: LivePage;
  /** What is to be written: members that lack, and in `merge` those of another score, with the score that they get. */
  readonly add: readonly Member[];
  /** Members that are there with another score, which `missing` leaves. */
  readonly differ: number;
}

/**
 * Compares pages of the snapshot's lists with the target, with a request or two for all of them. The same question is
 * the plan (what would be added), the write (add it) and the proof (nothing is left to add), so that a task may run twice.
 */
export async function judgePages(judgement: Judgement, pages: readonly ListPage[]): Promise<Judged[]> {
  const { redis, mode, safety } = judgement;
  const read = await readLivePages(redis, pages);
  const live = read.map((page): LivePage => (page.type !== 'unsavable' || safety ? page : { ...page, type: 'other' }));
  if (mode === 'merge') return pages.map((page, at) => merged(page, live[at] as LivePage));
  const lacking = pages.map((page, at) => lackingOf(judgement, page, live[at] as LivePage));
  const known = await whichExist(judgement, pages, lacking);
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
  }));
}

/** The snapshot's members and scores win. */
function merged(page: ListPage, live: LivePage): Judged {
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
function lackingOf({ placed }: Judgement, { known, list, members }: ListPage, live: LivePage): Member[] {
  return members.filter(({ name }, at) => {
    if ((live.scores[at] ?? null) !== null) return false;
    return list.group === null || placed === null || !placed.anywhere(known, name);
  });
}

/** Whether the keys that members stand for are there, or will be. */
async function whichExist(
  { redis, coming }: Judgement,
  pages: readonly ListPage[],
  lacking: readonly (readonly Member[])[],
): Promise<boolean[][]> {
  const keys = lacking.map((members, at) => {
    const { known, list } = pages[at] as ListPage;
    return members.map(({ name }) => Buffer.from(list.keyOf(known, name.toString('utf8'))));
  });
  const wanted = keys.flat().filter((key) => coming?.(key) !== true);
  const found = new Set<string>();
  if (wanted.length > 0) {
    // One EXISTS counts them all: only where some are there and some are not, each is asked for.
    const [count] = await redis.pipeline([['EXISTS', ...wanted]]);
    const there = Number(valueOf(count));
    const each = there === 0 || there === wanted.length ? null : await existing(redis, wanted);
    for (const [at, key] of wanted.entries()) {
      if (each === null ? there > 0 : each[at] === true) found.add(key.toString('utf8'));
    }
  }
  return keys.map((some) => some.map((key) => coming?.(key) === true || found.has(key.toString('utf8'))));
}

async function existing(redis: RedisPort, keys: readonly Buffer[]): Promise<boolean[]> {
  const replies = await redis.pipeline(keys.map((key): RedisCommand => ['EXISTS', key]));
  return replies.map((reply) => valueOf(reply) === 1);
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
  const replies = commands.length === 0 ? [] : await redis.pipeline(commands);
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
