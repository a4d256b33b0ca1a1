import { z } from 'zod';
import { AppError } from '../errors.js';
import type { RedisPort, RedisReply } from '../ports/redis.js';
import { runOne } from './run-one.js';

/** What a server reports about itself at one moment. A figure that it does not report is null. */
export const serverMarkSchema = z.object({
  /** Changes with every start of the server process; a replica has another. */
  runId: z.string().nullable(),
  /** DBSIZE. Counts expired keys until the server removes them. */
  keys: z.number(),
  /** Keys of this database that have an expiry. */
  expires: z.number().nullable(),
  /** Keys that expired since the server was started, in all databases. */
  expired: z.number().nullable(),
});
export type ServerMark = z.infer<typeof serverMarkSchema>;

/** Costs two commands. Throws `redis-denied` when the server refuses DBSIZE. */
export async function readServerMark(redis: RedisPort): Promise<ServerMark> {
  const [size, info] = await redis.pipeline([['DBSIZE'], ['INFO']]);
  if (size === undefined || 'error' in size) {
    throw new AppError('redis-denied', 'The database refuses DBSIZE', {
      hint: 'DBSIZE is needed to check that all keys were read. Allow the token to use it; see docs/operations.md.',
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

/** Reads only the `runId` of a server mark; costs one command. */
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
 * Whether SCAN's guarantee held from one mark to the other: a cursor is invalid after a restart of the server, or on another
 * server. Null when the server does not report its `run_id`.
 */
export function isSameServer(before: ServerMark, after: ServerMark): boolean | null {
  return before.runId === null || after.runId === null ? null : before.runId === after.runId;
}

/** INFO lists every database without saying which is ours: of several, ours is the one with our size, if only one has it. */
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
