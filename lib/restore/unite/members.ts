import type { RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { AppError } from '../../errors.js';
import { isRecordType, type RecordLine } from '../../snapshot/record.js';
import { normalType } from '../../snapshot/scan/pages.js';
import { fromText, type Text } from '../../snapshot/text.js';
import type { ClassifiedKey } from '../../soulcaster/keys.js';
import type { MemberList } from '../../soulcaster/member-lists.js';

/** `score` is null in a set. */
export interface Member {
  readonly name: Buffer;
  readonly score: string | null;
}

/** A list of the snapshot, or a page of its members. */
export interface ListPage {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  readonly list: MemberList;
  readonly members: readonly Member[];
}

/** What stands in the target under the key of a page. */
export interface LivePage {
  /** `unsavable`: of a type that no snapshot can hold. */
  readonly type: 'none' | 'list' | 'other' | 'unsavable';
  /** For each member of the page: its score (`''` in a set), or null when it is not in the list. */
  readonly scores: readonly (string | null)[];
}

export const PAGE = 1000;

/** The members that a line of a set or sorted set holds. */
export function membersOf({ t, v }: RecordLine): Member[] {
  if (t === 'set') return (v as readonly Text[]).map((name) => ({ name: fromText(name), score: null }));
  return (v as readonly (readonly [Text, string])[]).map(([name, score]) => ({ name: fromText(name), score }));
}

/** Reads what stands under the keys of these pages, with one request. */
export async function readLivePages(redis: RedisPort, pages: readonly ListPage[]): Promise<LivePage[]> {
  const commands = pages.flatMap(({ key, list, members }): RedisCommand[] => {
    const names = members.map(({ name }) => name);
    return [
      ['TYPE', key],
      [list.type === 'zset' ? 'ZMSCORE' : 'SMISMEMBER', key, ...names],
    ];
  });
  const replies = commands.length === 0 ? [] : await redis.pipeline(commands);
  return pages.map(({ list, members }, at) => {
    const type = String(valueOf(replies[2 * at]));
    const reply = replies[2 * at + 1];
    if (type === 'none') return { type, scores: members.map(() => null) };
    if (type !== list.type) {
      const other = isRecordType(normalType(type)) ? 'other' : 'unsavable';
      return { type: other, scores: members.map(() => null) };
    }
    const found = valueOf(reply) as RedisValue[];
    return { type: 'list', scores: members.map((_, index) => scoreOf(list, found[index] ?? null)) };
  });
}

function scoreOf({ type }: MemberList, value: RedisValue): string | null {
  if (type === 'set') return value === 1 ? '' : null;
  return value === null ? null : String(value);
}

export function sameScore(one: string | null, other: string | null): boolean {
  return one === other || number(one) === number(other);
}

function number(score: string | null): number {
  const infinite = /^([+-]?)inf/i.exec(score ?? '');
  return infinite === null ? Number(score) : infinite[1] === '-' ? -Infinity : Infinity;
}

export function valueOf(reply: RedisReply | undefined): RedisValue {
  if (reply !== undefined && 'value' in reply) return reply.value;
  throw new AppError(
    'redis-command',
    `The target refuses a command for lists: ${reply?.error.split(' ', 1)[0] ?? ''}`,
    {
      hint: 'Restore with the standard REST token of the target; it must be allowed TYPE, ZMSCORE, SMISMEMBER, ZADD, SADD.',
    },
  );
}
