import type { RedisArgument, RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { AppError } from '../../errors.js';
import { byBytes, pipelineInHalves, saysTooLarge } from '../../redis/halving.js';
import { parseExpiry, type ExpiryTime } from '../../snapshot/expiry-time.js';
import { isRecordType, type RecordLine } from '../../snapshot/record.js';
import { normalType } from '../../snapshot/scan/pages.js';
import { fromText, type Text } from '../../snapshot/text.js';
import type { ClassifiedKey } from '../../soulcaster/keys.js';
import type { MemberList } from '../../soulcaster/member-lists.js';
import { about } from '../write/refusal.js';

/** `score` is null in a set. */
export interface Member {
  readonly name: Buffer;
  readonly score: string | null;
}

/** A list of the snapshot, or a page of its members: at most what `memberPages` makes one. */
export interface ListPage {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  readonly list: MemberList;
  readonly members: readonly Member[];
  /** When the list is to expire; undefined: never. */
  readonly expiresAt: ExpiryTime | undefined;
}

/** What stands in the target under the key of a page. */
export interface LivePage {
  /** `unsavable`: of a type that no snapshot can hold. */
  readonly type: 'none' | 'list' | 'other' | 'unsavable';
  /** For each member of the page: its score (`''` in a set), or null when it is not in the list. */
  readonly scores: readonly (string | null)[];
  /** When the key expires; undefined: never, or it is not there. */
  readonly expiresAt: ExpiryTime | undefined;
}

export const PAGE = 1000;
/** Names in one command take no more than this: it fits into a request of every plan, also where each byte is escaped. */
export const NAME_BYTES = 128 * 1024;

/** Cuts members, or names, so that those of one piece fit into one command; one that is larger stands alone. */
export function* memberPages<T>(items: readonly T[], nameOf: (item: T) => Buffer): Generator<T[]> {
  for (const some of byBytes(items, (item) => nameOf(item).length + 3, NAME_BYTES)) {
    for (let at = 0; at < some.length; at += PAGE) yield some.slice(at, at + PAGE);
  }
}

/** The members that a line of a set or sorted set holds. */
export function membersOf({ t, v }: RecordLine): Member[] {
  if (t === 'set') return (v as readonly Text[]).map((name) => ({ name: fromText(name), score: null }));
  return (v as readonly (readonly [Text, string])[]).map(([name, score]) => ({ name: fromText(name), score }));
}

/** Reads what stands under the keys of these pages, with one request if it fits. */
export async function readLivePages(redis: RedisPort, pages: readonly ListPage[]): Promise<LivePage[]> {
  const commands = pages.flatMap(({ key, list, members }): RedisCommand[] => {
    const names = members.map(({ name }) => name);
    return [
      ['TYPE', key],
      ['PEXPIRETIME', key],
      [list.type === 'zset' ? 'ZMSCORE' : 'SMISMEMBER', key, ...names],
    ];
  });
  const replies = await runCommands(redis, commands);
  return pages.map(({ list, members }, at) => {
    const type = String(valueOf(replies[3 * at]));
    const expiresAt = parseExpiry(valueOf(replies[3 * at + 1])) ?? undefined;
    const none = members.map(() => null);
    if (type === 'none') return { type, scores: none, expiresAt: undefined };
    if (type !== list.type) {
      const other = isRecordType(normalType(type)) ? 'other' : 'unsavable';
      return { type: other, scores: none, expiresAt };
    }
    const found = valueOf(replies[3 * at + 2]) as RedisValue[];
    return { type: 'list', scores: members.map((_, index) => scoreOf(list, found[index] ?? null)), expiresAt };
  });
}

/**
 * Commands about lists, the key the first argument of each, in as many requests as their size demands. Throws
 * `redis-reply-too-large` with the key when one of them fits into none.
 */
export async function runCommands(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
  const replies = await pipelineInHalves(redis, commands);
  const at = replies.findIndex(saysTooLarge);
  if (at >= 0) throw memberTooLarge(commands[at]?.[1] ?? '');
  return replies;
}

/** A member of this list does not fit into a request alone. */
export function memberTooLarge(key: RedisArgument): unknown {
  const error = new AppError(
    'redis-reply-too-large',
    "A member of a list is over the size limit of the target's plan",
    {
      hint: 'Raise the plan of the target, or restore to another database with --target.',
    },
  );
  return about(key, error);
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
      hint: 'Restore with the standard REST token of the target; it must be allowed TYPE, PEXPIRETIME, ZMSCORE, SMISMEMBER, ZADD, SADD, PEXPIREAT, PERSIST.',
    },
  );
}
