import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { RedisCommand, RedisPort, Reply } from '../../ports/redis.js';
import { absentKey } from '../../redis/absent-key.js';
import { isFull } from '../../redis/at-once.js';
import { runOne } from '../../redis/run-one.js';
import { ok, warn, type CheckGroup, type Observation } from '../doctor.js';

/** A difference of clocks above it, in milliseconds, is worth a warning: expiries are absolute times. */
const SKEW_MS = 5_000;

const FULL = 'the database is full and refuses to take anything: backups work, a restore that writes would be refused';
const ROOM = "Raise the plan's data size (maxmemory on your own server), or remove what is not needed.";

/** Whether the database answers and accepts the token, and nothing more. */
export function reachChecks(open: () => RedisPort): CheckGroup {
  return [{ name: 'redis', run: () => reach(open()) }];
}

/**
 * All that a snapshot asks of the database, in small. Nothing is written. `restores`: whether a restore may be asked for as well.
 * `open` may throw `config`.
 */
export function redisChecks(open: () => RedisPort, clock: Clock, restores = false): CheckGroup {
  let opened: RedisPort | null = null;
  const redis = (): RedisPort => (opened ??= open());
  return [
    { name: 'redis', run: () => reach(redis()) },
    { name: 'redis-scan', run: () => scan(redis()) },
    { name: 'redis-read', run: () => read(redis()) },
    { name: 'redis-names', run: () => readOddNames(redis()) },
    ...(restores ? [{ name: 'redis-writes', run: () => mayWrite(redis()) }] : []),
    { name: 'redis-clock', run: () => compareClocks(redis(), clock) },
    { name: 'redis-server', run: () => describe(redis()) },
  ];
}

async function reach(redis: RedisPort): Promise<Observation> {
  allowed('PING', await runOne(redis, (sdk) => sdk.ping()));
  return ok(`${redis.host} is reached and accepts the token`);
}

async function scan(redis: RedisPort): Promise<Observation> {
  await runCommand(redis, ['SCAN', '0', 'COUNT', 1, 'WITHTYPE']);
  return ok('the token may list keys with their types');
}

/** On a key that is not there: the answers prove the commands, and no value is touched. */
async function read(redis: RedisPort): Promise<Observation> {
  const key = `soulcaster-backup:doctor:${randomUUID()}`;
  const commands: RedisCommand[] = [
    ['TYPE', key],
    ['PEXPIRETIME', key],
  ];
  // A database that is full takes no MULTI, and can be read all the same.
  const atOnce = await redis.transaction(commands).catch((error: unknown) => {
    if (!isFull(error)) throw error;
    return null;
  });
  for (const [index, reply] of (atOnce ?? (await redis.pipeline(commands))).entries()) {
    allowed(commands[index]?.[0] ?? '', reply);
  }
  return atOnce === null ? warn(FULL, ROOM) : ok('values and expiries are read in one transaction');
}

/** Names that are not UTF-8 go by a script, and expiry of hash fields by commands that an ACL may lack. */
async function readOddNames(redis: RedisPort): Promise<Observation> {
  const odd = Buffer.concat([Buffer.from(`soulcaster-backup:doctor:${randomUUID()}:`), Buffer.from([0xff, 0xfe])]);
  await runCommand(redis, ['TYPE', odd]);
  await runCommand(redis, ['PEXPIRETIME', odd]);
  const fields = await runOne(redis, (sdk) => sdk.hpexpiretime(odd.toString('hex'), 'f'));
  if ('error' in fields && /^NOPERM/i.test(fields.error)) allowed('HPEXPIRETIME', fields);
  return ok(`names of any bytes are read${'value' in fields ? ', and the expiry of single hash fields' : ''}`);
}

/** What a script that may write nothing gets for UNLINK: the server checks the user's rights first. */
const TRY_WRITE = `local reply = redis.pcall('unlink', KEYS[1])
return type(reply) == 'table' and reply.err or ''`;

/** A token that may read alone is enough to back up, and not to restore. */
async function mayWrite(redis: RedisPort): Promise<Observation> {
  const reply = await runOne(redis, (sdk) => sdk.evalRo(TRY_WRITE, [absentKey()], []));
  if ('error' in reply)
    return { status: 'skipped', detail: 'not known whether the token may write: it may run no script', hint: null };
  if (!/NOPERM|permission|can't run this command/i.test(String(reply.value)))
    return ok('the token may write, as a restore has to');
  return warn(
    'the token may read alone: backups work, a restore into this database would be refused',
    'Where restores are made set UPSTASH_REDIS_REST_TOKEN to the standard token; docs/operations.md (Least privilege) has the commands that are needed.',
  );
}

async function compareClocks(redis: RedisPort, clock: Clock): Promise<Observation> {
  const sent = clock.now();
  const time = allowed('TIME', await runOne(redis, (sdk) => sdk.time()));
  const received = clock.now();
  const [seconds, micros] = Array.isArray(time) ? time.map(Number) : [];
  const theirs = (seconds ?? Number.NaN) * 1000 + (micros ?? 0) / 1000;
  // The answer was made at some moment between the two.
  const skew = theirs < sent ? sent - theirs : Math.max(0, theirs - received);
  if (Number.isNaN(skew)) return warn('the server does not tell its time', 'Compare its clock by hand.');
  const text = `its clock and ours are ${(skew / 1000).toFixed(1)} s apart`;
  return skew > SKEW_MS ? warn(text, "Set this machine's clock with NTP: expiries are absolute times.") : ok(text);
}

async function describe(redis: RedisPort): Promise<Observation> {
  const keys = allowed('DBSIZE', await runOne(redis, (sdk) => sdk.dbsize()));
  const info = await runOne(redis, (sdk) => sdk.exec<string>(['INFO', 'server']));
  const text = 'value' in info ? info.value : '';
  const line = (name: string): string | undefined => new RegExp(`^${name}:(\\S{1,40})`, 'm').exec(text)?.[1];
  const version = line('upstash_version') ?? line('redis_version');
  return ok(`${keys.toLocaleString('en-US')} keys, server version ${version ?? 'not told'}`);
}

/** What concerns names of any bytes. */
async function runCommand(redis: RedisPort, command: RedisCommand): Promise<void> {
  const [reply] = await redis.pipeline([command]);
  allowed(command[0], reply);
}

/** The value of a reply. Throws `redis-denied` or `redis-command` for what was refused. */
function allowed<T>(name: string, reply: Reply<T> | undefined): T {
  if (reply !== undefined && 'value' in reply) return reply.value;
  const error = reply?.error ?? 'no answer';
  const denied = /^NOPERM/i.test(error);
  throw new AppError(denied ? 'redis-denied' : 'redis-command', `Redis refused ${name}: ${error}`, {
    hint: denied
      ? 'Use the standard token of the database: a read-only one may not SCAN, and a snapshot needs that.'
      : 'Use a database that knows the command: Upstash Redis, or redis-server 7.0 or newer behind a REST proxy.',
  });
}
