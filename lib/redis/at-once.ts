import { AppError } from '../errors.js';
import {
  decodedCommand,
  type RedisCommand,
  type RedisPort,
  type RedisReply,
  type SentCommand,
  type WireReply,
} from '../ports/redis.js';

/** Values that were read at one moment. */
export interface Moment<Reply = RedisReply> {
  readonly values: readonly Reply[];
  readonly marks: readonly RedisReply[];
  /** For each mark: whether it was the same before and after the values were read. */
  readonly steady: readonly boolean[];
}

/** After this many reads without MULTI the next one tries MULTI again: the database may have room by now. */
const READS_UNTIL_RETRY = 64;
const refusals = new WeakMap<RedisPort, number>();

/**
 * Reads `values` and `marks` in one MULTI. A full Redis (maxmemory, noeviction) takes no command into a MULTI, although
 * reading needs no memory: then all are read in one pipeline, the marks before and after the values, and `steady` shows
 * which marks changed in between. Marks are integers.
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
      // Integers are the same in either form.
      const found = replies.slice(values.length) as RedisReply[];
      return { values: replies.slice(0, values.length), marks: found, steady: marks.map(() => true) };
    } catch (error) {
      if (!isFull(error)) throw error;
      refusals.set(redis, READS_UNTIL_RETRY);
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
 * Runs the commands in one MULTI. A single command that only frees memory is sent without MULTI: a full database refuses
 * the MULTI, but accepts the command.
 */
export function atOnce(redis: RedisPort, commands: readonly SentCommand[]): Promise<RedisReply[]> {
  const [first] = commands;
  const onlyFrees = commands.length === 1 && first !== undefined && FREEING.has(first[0]);
  return onlyFrees ? redis.pipeline([decodedCommand(first)]) : redis.transaction(commands);
}

/** The texts of Redis and of Upstash (upstash.com/docs/redis/troubleshooting/db_capacity_quota_exceeded). */
const FULL = /\bOOM\b|capacity quota exceeded/i;

/** Whether a database refused a command because it has no room. */
export function saysFull(error: string): boolean {
  return FULL.test(error);
}

/** Whether a database refused a whole transaction because it is out of memory (OOM). */
export function isFull(error: unknown): boolean {
  return error instanceof AppError && error.code === 'redis-command' && saysFull(error.message);
}

function textOf(reply: RedisReply | undefined): string {
  if (reply === undefined) return '';
  return 'error' in reply ? `error ${reply.error}` : `value ${String(reply.value)}`;
}
