import type { RedisArgument, RedisCommand, RedisPort, RedisReply, RedisValue } from '../../ports/redis.js';
import { AppError } from '../../errors.js';
import { byBytes, pipelineInHalves, saysTooLarge } from '../../redis/halving.js';
import { parseExpiry, isRecordType, type ExpiryTime, type RecordLine } from '../../snapshot/record.js';
import { normalType } from '../../snapshot/scan/pages.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import type { ClassifiedKey } from '../../soulcaster/keys.js';
import type { MemberList } from '../../soulcaster/member-lists.js';
import { parseScore } from '../compare/content.js';
import { attachKey } from '../write/errors.js';

export interface Member {
  readonly name: Buffer;
  /** Null in a set. */
  readonly score: string | null;
}

/** A list of the snapshot, or a page of its members of at most the size that `memberPages` cuts. */
export interface ListPage {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  readonly list: MemberList;
  readonly members: readonly Member[];
  /** When the list must expire; undefined: never. */
  readonly expiresAt: ExpiryTime | undefined;
}

/** The target's key of a page. */
export interface LivePage {
  /** `unsavable`: of a type that no snapshot can hold. */
  readonly type: 'none' | 'list' | 'other' | 'unsavable';
  /** The score of each member of the page (`''` in a set), or null when it is not in the list. */
  readonly scores: readonly (string | null)[];
  /** When the key expires; undefined: never, or it does not exist. */
  readonly expiresAt: ExpiryTime | undefined;
}

export const PAGE = 1000;
/** The most bytes of names in one command: they fit into a request of every plan, even with each byte escaped. */
export const NAME_BYTES = 128 * 1024;

/** Cuts members, or names, so that each piece fits into one command; one that is larger is a piece alone. */
export function* memberPages<T extends Member | Buffer>(items: readonly T[]): Generator<T[]> {
  const bytesOf = (item: Member | Buffer): number => (Buffer.isBuffer(item) ? item : item.name).length + 3;
  for (const some of byBytes(items, bytesOf, NAME_BYTES)) {
    for (let at = 0; at < some.length; at += PAGE) yield some.slice(at, at + PAGE);
  }
}

/** The members in a line of a set or sorted set. */
export function membersOf({ t, v }: RecordLine): Member[] {
  if (t === 'set') return (v as readonly Text[]).map((name) => ({ name: fromText(name), score: null }));
  return (v as readonly (readonly [Text, string])[]).map(([name, score]) => ({ name: fromText(name), score }));
}

/** The lines of a record, the first included. */
export async function* allLines<T>(first: T, rest: AsyncIterable<T> | null): AsyncGenerator<T> {
  yield first;
  yield* rest ?? [];
}

/** Reads the target's keys of these pages, in one request if it fits. */
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
 * Runs commands on lists, each with the key as first argument, in as many requests as their size requires. Throws
 * `redis-reply-too-large` with the key when a command fits into none.
 */
export async function runCommands(redis: RedisPort, commands: readonly RedisCommand[]): Promise<RedisReply[]> {
  const replies = await pipelineInHalves(redis, commands);
  const at = replies.findIndex(saysTooLarge);
  if (at >= 0) throw memberTooLarge(commands[at]?.[1] ?? '');
  return replies;
}

/** The error for a list with a member that does not fit into a request alone. */
export function memberTooLarge(key: RedisArgument): unknown {
  const error = new AppError(
    'redis-reply-too-large',
    "A member of a list is over the size limit of the target's plan",
    {
      hint: 'Raise the plan of the target, or restore to another database with --target.',
    },
  );
  return attachKey(key, error);
}

function scoreOf({ type }: MemberList, value: RedisValue): string | null {
  if (type === 'set') return value === 1 ? '' : null;
  return value === null ? null : String(value);
}

export function sameScore(one: string, other: string): boolean {
  return one === other || parseScore(one) === parseScore(other);
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
