import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { RedisCommand, RedisPort, Reply } from '../../ports/redis.js';
import { absentKey, runOne } from '../../redis/run-one.js';
import { isFull } from '../../redis/at-once.js';
import { ok, skipped, warn, type CheckGroup, type Observation } from '../doctor.js';

/** A larger difference of clocks gets a warning: expiries are absolute times. */
const SKEW_MS = 5_000;

const FULL = 'the database is full and refuses writes: backups work, but a restore would be refused';
const ROOM = "Raise the plan's data size (maxmemory on your own server), or remove data that is not needed.";

/** Checks only that the database answers and accepts the token. */
export function reachChecks(open: () => RedisPort): CheckGroup {
  return [{ name: 'redis', run: () => checkReach(open()) }];
}

/**
 * Checks everything that a snapshot needs of the database, without writing. `restores`: whether to check the rights for a
 * restore, too. `open` may throw `config`.
 */
export function redisChecks(open: () => RedisPort, clock: Clock, restores = false): CheckGroup {
  let opened: RedisPort | null = null;
  const redis = (): RedisPort => (opened ??= open());
  return [
    { name: 'redis', run: () => checkReach(redis()) },
    { name: 'redis-scan', run: () => checkScan(redis()) },
    { name: 'redis-read', run: () => checkRead(redis()) },
    { name: 'redis-names', run: () => checkBinaryNames(redis()) },
    ...(restores ? [{ name: 'redis-writes', run: () => checkWrites(redis()) }] : []),
    { name: 'redis-clock', run: () => compareClocks(redis(), clock) },
    { name: 'redis-server', run: () => describeServer(redis()) },
  ];
}

async function checkReach(redis: RedisPort): Promise<Observation> {
  valueOf('PING', await runOne(redis, (sdk) => sdk.ping()));
  return ok(`${redis.host} answers and accepts the token`);
}

async function checkScan(redis: RedisPort): Promise<Observation> {
  await runCommand(redis, ['SCAN', '0', 'COUNT', 1, 'WITHTYPE']);
  return ok('the token may list keys with their types');
}

/** Uses a missing key: the answers prove the commands, and no value is read. */
async function checkRead(redis: RedisPort): Promise<Observation> {
  const key = `soulcaster-backup:doctor:${randomUUID()}`;
  const commands: RedisCommand[] = [
    ['TYPE', key],
    ['PEXPIRETIME', key],
  ];
  // A full database refuses MULTI but can be read.
  const atOnce = await redis.transaction(commands).catch((error: unknown) => {
    if (!isFull(error)) throw error;
    return null;
  });
  for (const [index, reply] of (atOnce ?? (await redis.pipeline(commands))).entries()) {
    valueOf(commands[index]?.[0] ?? '', reply);
  }
  return atOnce === null ? warn(FULL, ROOM) : ok('values and expiries are read in one transaction');
}

/** Names that are not UTF-8 are read by a script, and the expiry of hash fields by commands that an ACL may lack. */
async function checkBinaryNames(redis: RedisPort): Promise<Observation> {
  const binary = Buffer.concat([Buffer.from(`soulcaster-backup:doctor:${randomUUID()}:`), Buffer.from([0xff, 0xfe])]);
  await runCommand(redis, ['TYPE', binary]);
  await runCommand(redis, ['PEXPIRETIME', binary]);
  const fields = await runOne(redis, (sdk) => sdk.hpexpiretime(binary.toString('hex'), 'f'));
  if ('error' in fields && /^NOPERM/i.test(fields.error)) valueOf('HPEXPIRETIME', fields);
  return ok(`names of any bytes are read${'value' in fields ? ', and the expiry of single hash fields' : ''}`);
}

/** UNLINK in a read-only script: the server checks the user's rights first. */
const TRY_WRITE = `local reply = redis.pcall('unlink', KEYS[1])
return type(reply) == 'table' and reply.err or ''`;

/** A read-only token is enough for backups, but not for restores. */
async function checkWrites(redis: RedisPort): Promise<Observation> {
  const reply = await runOne(redis, (sdk) => sdk.evalRo(TRY_WRITE, [absentKey()], []));
  if ('error' in reply) return skipped('unknown whether the token may write: it may not run scripts');
  if (!/NOPERM|permission|can't run this command/i.test(String(reply.value)))
    return ok('the token may write, as a restore has to');
  return warn(
    'the token is read-only: backups work, but a restore into this database would be refused',
    'Where restores run, set UPSTASH_REDIS_REST_TOKEN to the standard token; docs/operations.md (Least privilege) lists the commands that are needed.',
  );
}

async function compareClocks(redis: RedisPort, clock: Clock): Promise<Observation> {
  const sent = clock.now();
  const time = valueOf('TIME', await runOne(redis, (sdk) => sdk.time()));
  const received = clock.now();
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
  const theirs = (seconds ?? Number.NaN) * 1000 + (micros ?? 0) / 1000;
  // The answer was made at a moment between the two.
  const skew = theirs < sent ? sent - theirs : Math.max(0, theirs - received);
  if (Number.isNaN(skew)) return warn('the server does not report its time', 'Compare its clock by hand.');
  const text = `its clock and the clock here are ${(skew / 1000).toFixed(1)} s apart`;
  return skew > SKEW_MS ? warn(text, "Set this machine's clock with NTP: expiries are absolute times.") : ok(text);
}

async function describeServer(redis: RedisPort): Promise<Observation> {
  const keys = valueOf('DBSIZE', await runOne(redis, (sdk) => sdk.dbsize()));
  const info = await runOne(redis, (sdk) => sdk.exec<string>(['INFO', 'server']));
  const text = 'value' in info ? info.value : '';
  const line = (name: string): string | undefined => new RegExp(`^${name}:(\\S{1,40})`, 'm').exec(text)?.[1];
  const version = line('upstash_version') ?? line('redis_version');
  return ok(`${keys.toLocaleString('en-US')} keys, server version ${version ?? 'unknown'}`);
}

/** Runs a command whose key may have any bytes. */
async function runCommand(redis: RedisPort, command: RedisCommand): Promise<void> {
  const [reply] = await redis.pipeline([command]);
  valueOf(command[0], reply);
}

/** The value of a reply. Throws `redis-denied` or `redis-command` for a refused command. */
function valueOf<T>(name: string, reply: Reply<T> | undefined): T {
  if (reply !== undefined && 'value' in reply) return reply.value;
  const error = reply?.error ?? 'no answer';
  const isDenied = /^NOPERM/i.test(error);
  throw new AppError(isDenied ? 'redis-denied' : 'redis-command', `Redis refused ${name}: ${error}`, {
    hint: isDenied
      ? 'Use the standard token of the database: a read-only token may not SCAN, which a snapshot needs.'
      : 'Use a database that supports the command: Upstash Redis, or redis-server 7.0 or newer behind a REST proxy.',
  });
}
