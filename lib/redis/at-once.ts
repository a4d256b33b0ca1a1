import { AppError } from '../errors.js';
import {
  decodedCommand,
  type RedisCommand,
  type RedisPort,
  type RedisReply,
  type SentCommand,
  type WireReply,
} from '../ports/redis.js';

/** What was read as of one moment. */
export interface Moment<Reply = RedisReply> {
  readonly values: readonly Reply[];
  readonly marks: readonly RedisReply[];
  /** For each mark: whether it was the same before and after the values were read. */
  readonly steady: readonly boolean[];
}

/** After this many reads without MULTI it is tried again: the database may have room by now. */
const READS_UNTIL_TRIED = 64;
const refusals = new WeakMap<RedisPort, number>();

/**
 * Reads `values` and `marks` in one MULTI. Redis takes no command into a MULTI while it is full (maxmemory, noeviction),
 * although reading needs no room: then they are read in one pipeline, the marks before and after the values, and what
 * changed in between is told by `steady`. Marks are integers.
 */
export async function readAtOnce(
  redis: RedisPort,
  values: readonly RedisCommand[],
  marks: readonly RedisCommand[],
): Promise<Moment>;
export async function readAtOnce(
  redis: RedisPort,
  values: readonly RedisCommand[],
  marks: readonly RedisCommand[],
  form: 'wire',
): Promise<Moment<WireReply>>;
export async function readAtOnce(
  redis: RedisPort,
  values: readonly RedisCommand[],
  marks: readonly RedisCommand[],
  form?: 'wire',
): Promise<Moment<WireReply>> {
  const left = refusals.get(redis) ?? 0;
  if (left === 0) {
    try {
      const commands = [...values, ...marks];
      const replies = await redis.transaction(commands, form);
      const all = marks.map(() => true);
      // Integers are the same in either form.
      const found = replies.slice(values.length) as RedisReply[];
      return { values: replies.slice(0, values.length), marks: found, steady: all };
    } catch (error) {
      if (!isFull(error)) throw error;
      refusals.set(redis, READS_UNTIL_TRIED);
    }
  } else {
    refusals.set(redis, left - 1);
  }
  const replies = await redis.pipeline([...marks, ...values, ...marks]);
  const before = replies.slice(0, marks.length);
  const after = replies.slice(marks.length + values.length);
  return {
    values: replies.slice(marks.length, marks.length + values.length),
    marks: after,
    steady: after.map((mark, at) => textOf(mark) === textOf(before[at])),
  };
}

const FREEING = new Set(['UNLINK', 'DEL', 'SREM', 'ZREM']);

/**
 * The commands in one MULTI; a single one that only frees memory goes without, since a database that is full takes no
 * MULTI and would take it.
 */
export function atOnce(redis: RedisPort, commands: readonly SentCommand[]): Promise<RedisReply[]> {
  const [first] = commands;
  const onlyFrees = commands.length === 1 && first !== undefined && FREEING.has(first[0]);
  return onlyFrees ? redis.pipeline([decodedCommand(first)]) : redis.transaction(commands);
}

/** Redis's own words, and Upstash's (upstash.com/docs/redis/troubleshooting/db_capacity_quota_exceeded). */
const FULL = /\bOOM\b|capacity quota exceeded/i;

/** Whether a database refused a command because it has no room. */
export function saysFull(error: string): boolean {
  return FULL.test(error);
}

/** The same, as the refusal of a whole transaction. */
export function isFull(error: unknown): boolean {
  return error instanceof AppError && error.code === 'redis-command' && saysFull(error.message);
}

function textOf(reply: RedisReply | undefined): string {
  if (reply === undefined) return '';
  return 'error' in reply ? `error ${reply.error}` : `value ${String(reply.value)}`;
}
