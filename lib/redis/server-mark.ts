import { z } from 'zod';
import { AppError } from '../errors.js';
import type { RedisPort, RedisReply } from '../ports/redis.js';
import { runOne } from './run-one.js';

/** What a server says of itself at one moment. What it does not say is null. */
export const serverMarkSchema = z.object({
  /** Changes with every start of the server process, and from one server to its replica. */
  runId: z.string().nullable(),
  /** DBSIZE. Counts keys whose time is over until they are removed. */
  keys: z.number(),
  /** Keys of this database that have an expiry. */
  expires: z.number().nullable(),
  /** Keys that expired since the server was started, in all databases. */
  expired: z.number().nullable(),
});
export type ServerMark = z.infer<typeof serverMarkSchema>;

/** Costs two commands. Throws `redis-denied` when the server does not give its size. */
export async function markServer(redis: RedisPort): Promise<ServerMark> {
  const [size, info] = await redis.pipeline([['DBSIZE'], ['INFO']]);
  if (size === undefined || 'error' in size) {
    throw new AppError('redis-denied', 'The database refuses DBSIZE', {
      hint: 'Without its size nobody can say whether all keys were read: allow DBSIZE to the token; see docs/operations.md.',
    });
  }
  const keys = Number(size.value);
  const text = infoText(info);
  return {
    runId: runIdIn(text),
    keys,
    expires: expiresIn(text, keys),
    expired: numberIn(text, /^expired_keys:(\d+)/m),
  };
}

/** The same of `runId` alone; costs a command. */
export async function runIdOf(redis: RedisPort): Promise<string | null> {
  const info = await runOne(redis, (sdk) => sdk.exec<string>(['INFO', 'server']));
  return 'value' in info ? runIdIn(info.value) : null;
}

function infoText(info: RedisReply | undefined): string {
  return info !== undefined && 'value' in info && Buffer.isBuffer(info.value) ? info.value.toString('latin1') : '';
}

function runIdIn(info: string): string | null {
  return /^run_id:(\w+)/m.exec(info)?.[1] ?? null;
}

/**
 * Whether SCAN's guarantee held from one mark to the other: a cursor is worth nothing to a server that was started
 * meanwhile, or to another one. Null: the server does not tell.
 */
export function sameServer(before: ServerMark, after: ServerMark): boolean | null {
  return before.runId === null || after.runId === null ? null : before.runId === after.runId;
}

/** INFO lists every database, and does not say which is ours: with several it is the one of our size, if there is but one. */
function expiresIn(info: string, keys: number): number | null {
  const lines = [...info.matchAll(/^db\d+:keys=(\d+),expires=(\d+)/gm)];
  if (lines.length === 0) return keys === 0 && /^# keyspace/im.test(info) ? 0 : null;
  const ours = lines.length === 1 ? lines : lines.filter(([, size]) => Number(size) === keys);
  return ours.length === 1 ? Number(ours[0]?.[2]) : null;
}

function numberIn(info: string, pattern: RegExp): number | null {
  const found = pattern.exec(info)?.[1];
  return found === undefined ? null : Number(found);
}
