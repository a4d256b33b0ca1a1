import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { loadErasedIds, saveErasure } from '../../lib/snapshot/erasures.js';
import { readTombstone } from '../../lib/snapshot/tombstone.js';
import { forgetSnapshot } from '../../lib/retention/prune/forget.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { ed25519Signer } from '../../lib/crypto/ed25519.js';
import { makeSnapshot } from '../support/made-snapshots.js';
import { folderStore } from '../support/folder-store.js';
import { inProcessQueue, silentLog } from '../../lib/app/in-process.js';
import { AppError } from '../../lib/errors.js';
import { secretChecks, publicUrlChecks } from '../../lib/health/checks/keys.js';
import { queueChecks } from '../../lib/health/checks/services.js';
import { redisChecks } from '../../lib/health/checks/redis.js';
import { storeChecks } from '../../lib/health/checks/store.js';
import { examine, notConfigured, ok, type CheckGroup, type CheckResult } from '../../lib/health/doctor.js';
import type { Clock } from '../../lib/ports/clock.js';
import type { QueueHealth } from '../../lib/ports/queue.js';
import type { RedisPort, RedisReply } from '../../lib/ports/redis.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { checkGroups } from '../../lib/app/checks.js';
import type { Environment } from '../../lib/app/config.js';
import { generateAgeIdentity, generateSigningKey } from '../../lib/app/connect/stores.js';
import { systemClock } from '../../lib/services/clock.js';
import { ACL_COMMAND } from '../../lib/setup/bucket.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';
import { startTestDatabase } from '../support/test-database.js';

const NOW = Date.parse('2026-11-22T02:00:00Z');
/** Time stands still, and whoever sleeps is woken by the signal alone. */
const still: Clock = {
  now: () => NOW,
  sleep: (_, signal) => new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
};

async function results(groups: readonly CheckGroup[], clock: Clock = still): Promise<CheckResult[]> {
  const all: CheckResult[] = [];
  for await (const result of examine(clock, groups)) all.push(result);
  return all;
}

const statuses = (all: readonly CheckResult[]): string[] => all.map(({ name, status }) => `${name} ${status}`);

describe('examine', () => {
  const good = { name: 'good', run: () => Promise.resolve(ok('fine')) };
  const denied = new AppError('redis-denied', 'No entry', { hint: 'Knock.' });
  const bad = { name: 'bad', run: () => Promise.reject(denied) };

  it('tries nothing more of a service after a failure, and continues with the next', async () => {
    const all = await results([[good, bad, good], [good], notConfigured('other', 'not set')]);
    expect(statuses(all)).toEqual(['good ok', 'bad fail', 'good skipped', 'good ok', 'other skipped']);
    expect(all[1]).toEqual({ name: 'bad', ok: false, status: 'fail', detail: 'No entry', hint: 'Knock.', ms: 0 });
  });

  it('shows nothing of a foreign error', async () => {
    const leaky = { name: 'leaky', run: () => Promise.reject(new Error('SET key the-value')) };
    const thrown = {
      name: 'thrown',
      run: () => {
        throw new Error('the-value');
      },
    };
    const all = await results([[leaky], [thrown]]);
    expect(statuses(all)).toEqual(['leaky fail', 'thrown fail']);
    expect(JSON.stringify(all)).not.toContain('the-value');
  });

  it('gives up a check that takes too long', async () => {
    const hurried: Clock = { now: () => NOW, sleep: () => Promise.resolve() };
    const never = { name: 'never', run: () => new Promise<never>(() => undefined) };
    const [result] = await results([[never]], hurried);
    expect(result).toMatchObject({ status: 'fail', detail: expect.stringContaining('No answer within 20 seconds') });
  });
});

describe('checks of clocks', () => {
  const redisAt = (time: RedisReply): RedisPort => ({
    host: 'db.example',
    pipeline: (commands) =>
      Promise.resolve(commands.map(([name]) => (name === 'TIME' ? time : { value: Buffer.from('PONG') }))),
    transaction: (commands) => Promise.resolve(commands.map(() => ({ value: -2 }))),
    usage: () => ({ requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0 }),
  });
  const seconds = (offset: number): RedisReply => ({
    value: [Buffer.from(String(NOW / 1000 + offset)), Buffer.from('0')],
  });

  it.each([
    [0, 'ok'],
    [4, 'ok'],
    [-6, 'warn'],
    [6, 'warn'],
    [3600, 'warn'],
  ])('find a database %d s ahead %s', async (offset, status) => {
    const all = await results([redisChecks(() => redisAt(seconds(offset)), still)]);
    expect(all.find(({ name }) => name === 'redis-clock')?.status).toBe(status);
  });

  const storeAt = (modifiedAt: number): ObjectStore => {
    const objects = new Map<string, { body: Buffer; etag: string }>();
    let version = 0;
    const put = (name: string, body: Uint8Array): string => {
      const etag = String(++version);
      objects.set(name, { body: Buffer.from(body), etag });
      return etag;
    };
    return {
      read: (name) => Promise.resolve(objects.get(name) ?? null),
      create: (name, body) =>
        Promise.resolve(objects.has(name) ? { created: false } : { created: true, etag: put(name, body) }),
      swap: (name, body, etag) => Promise.resolve(objects.get(name)?.etag === etag ? put(name, body) : null),
      remove: (name) => Promise.resolve(void objects.delete(name)),
      async *list(prefix) {
        await Promise.resolve();
        for (const name of objects.keys()) if (name.startsWith(prefix)) yield { name, size: 1, modifiedAt };
      },
      folders: () => {
        throw new Error('not asked for');
      },
    };
  };

  it.each([
    [0, 'ok'],
    [-9_000, 'ok'],
    [11_000, 'warn'],
    [-11_000, 'warn'],
  ])('find a store %d ms ahead %s', async (offset, status) => {
    const all = await results([storeChecks(() => storeAt(NOW + offset), 's3://bucket', still)]);
    expect(statuses(all)).toEqual(['store ok', 'store-writes ok', `store-clock ${status}`]);
  });
});

describe('checks of the queue', () => {
  it.each<[QueueHealth['signingKeys'], string]>([
    ['same', 'ok'],
    ['stale', 'warn'],
    ['different', 'fail'],
    ['none', 'warn'],
  ])('find %s keys %s', async (signingKeys, status) => {
    const queue = { ...inProcessQueue(), health: () => Promise.resolve({ signingKeys }) };
    expect(statuses(await results([queueChecks(() => queue)]))).toEqual([`queue ${status}`]);
  });
});

describe('checks of access', () => {
  it('warn of one secret for two purposes', async () => {
    const secret = { variable: 'CRON_SECRET', value: 'sixteen-characters', problem: null };
    expect(statuses(await results([secretChecks(secret, [secret.value])]))).toEqual(['cron-secret warn']);
    const [sound] = await results([secretChecks(secret, ['another'])]);
    expect([sound?.status, sound?.detail.includes(secret.value)]).toEqual(['ok', false]);
  });

  it.each([
    ['https://backup.example.com', 'ok'],
    ['http://backup.example.com', 'warn'],
    ['https://localhost:3000', 'warn'],
    ['http://127.0.0.1:3000', 'warn'],
    ['https://[::1]/', 'warn'],
    ['nonsense', 'warn'],
  ])('find %s %s', async (url, status) => {
    expect(statuses(await results([publicUrlChecks(url)]))).toEqual([`public-url ${status}`]);
  });
});

/** What doctor says of one thing: the first check of its group that fails, or the one of this name. */
async function told(name: string, env: Environment): Promise<CheckResult | undefined> {
  const clock = systemClock();
  const groups = checkGroups(env, clock).filter((group) => group.some((check) => check.name === name));
  const results: CheckResult[] = [];
  for await (const one of examine(clock, groups)) results.push(one);
  return results.find((one) => !one.ok) ?? results.find((one) => one.name === name);
}

describe('doctor names a token that may read but not write', () => {
  it('of the index, and of the one to build beside', async () => {
    const vector = await startUpstashVector({ token: 'right', readOnlyToken: 'reader' });
    for (const [name, prefix] of [
      ['index', 'UPSTASH_VECTOR_REST_'],
      ['index-next', 'UPSTASH_VECTOR_NEXT_REST_'],
    ] as const) {
      const of = (token: string) => told(name, { [`${prefix}URL`]: vector.url, [`${prefix}TOKEN`]: token });
      const result = await of('reader');
      expect(result).toMatchObject({ status: 'fail', detail: expect.stringContaining('not write') });
      expect(result?.hint).toContain(`${prefix}TOKEN`);
      expect(await of('right')).toMatchObject({ status: 'ok' });
    }
    await vector.stop();
  });

  it('of snapshots, whose identity is in a missing file', async () => {
    const { identity, recipient } = await generateAgeIdentity();
    const env = { BACKUP_AGE_RECIPIENTS: recipient, BACKUP_AGE_IDENTITY_FILE: 'no-such-file.txt' };
    expect(await told('encryption', env)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('BACKUP_AGE_IDENTITY_FILE'),
    });
    expect(await told('encryption', { ...env, BACKUP_AGE_IDENTITY: identity })).toMatchObject({ status: 'ok' });
  });

  it('of the signing keys, and of the database', async () => {
    const { publicKey } = generateSigningKey();
    expect(await told('signature', { BACKUP_SIGNING_PUBLIC_KEY: publicKey })).toMatchObject({ status: 'warn' });
    const database = await startTestDatabase();
    const [, ...words] = ACL_COMMAND.replace('PASSWORD', 'secret-word').split(' ');
    await database.redis.call('ACL', ...words, '+command');
    const of = async (user: string): ReturnType<typeof told> => {
      const redis = await startUpstashRedis({ redisUrl: `${database.url}${user}`, token: 'right' });
      const env = { UPSTASH_REDIS_REST_URL: redis.url, UPSTASH_REDIS_REST_TOKEN: 'right' };
      const result = await told('redis-writes', env);
      await redis.stop();
      return result;
    };
    const seen = await of('?username=soulcaster-backup&password=secret-word');
    expect(seen).toMatchObject({
      name: 'redis-writes',
      status: 'warn',
    });
    expect(await of('')).toMatchObject({ name: 'redis-writes', status: 'ok' });
    await database.stop();
  });

  it('of the erasure list, which only another identity opens', async () => {
    const folder = await folderStore();
    const [old, fresh] = [await generateAgeIdentity(), await generateAgeIdentity()];
    const encryptor = ageEncryptor({ recipients: [old.recipient], identity: null });
    const subject = { kind: 'project' as const, id: 'p1', projects: ['p1'], reason: 'asked', by: 'ops' };
    await saveErasure({ store: folder.store, encryptor }, { ...subject, at: '2026-11-26T10:00:00Z' });
    const of = (identity?: string) =>
      told('erasures', {
        BACKUP_STORE: pathToFileURL(folder.folder).href,
        BACKUP_AGE_RECIPIENTS: fresh.recipient,
        ...(identity === undefined ? {} : { BACKUP_AGE_IDENTITY: identity }),
      });
    expect(await of()).toBeUndefined();
    expect(await of(fresh.identity)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('restores and drills are refused'),
      hint: expect.stringContaining(old.recipient),
    });
    expect(await of(`${fresh.identity},${old.identity}`)).toMatchObject({ status: 'ok' });
    expect(await of(fresh.identity)).toMatchObject({ status: 'ok' });
    await folder.remove();
  });
});

it('doctor signs again what an earlier key signed, and says what still needs that key', async () => {
  const folder = await folderStore();
  const [old, next] = [generateSigningKey(), generateSigningKey()];
  const encryptor = ageEncryptor({ recipients: [], identity: null });
  const signer = ed25519Signer({ privateKey: old.privateKey, publicKey: null });
  const store = authenticatedStore(folder.store, signer, silentLog());
  const subject = { kind: 'project' as const, id: 'p1', projects: ['p1'], reason: 'asked', by: 'ops' };
  await saveErasure({ store, encryptor }, { ...subject, at: '2026-11-26T10:00:00Z' });
  await store.create('drills/1.json', Buffer.from('{"finishedAt":"2026-11-26T10:00:00Z"}'));
  const gone = await makeSnapshot(store, { at: '2026-11-24T02:00:00Z', signer });
  const kept = await makeSnapshot(store, { at: '2026-11-25T02:00:00Z', signer });
  const ports = { clock: systemClock(), log: silentLog(), own: null, signer, store };
  await forgetSnapshot(ports, gone, { by: 'ops', reason: 'asked', force: true });
  const env = { BACKUP_STORE: pathToFileURL(folder.folder).href, BACKUP_SIGNING_KEY: next.privateKey };
  const alone = ed25519Signer({ privateKey: next.privateKey, publicKey: null });
  const later = authenticatedStore(folder.store, alone, silentLog());

  expect(await told('earlier-key', env)).toBeUndefined();
  expect(await told('earlier-key', { ...env, BACKUP_SIGNING_PUBLIC_KEY: old.publicKey })).toMatchObject({
    status: 'ok',
    detail: `all control state has a signature of BACKUP_SIGNING_KEY; 1 snapshot, the newest ${kept}, would be untrusted without the earlier public key`,
  });
  expect((await loadErasedIds({ store: later, encryptor })).projects).toEqual(['p1']);
  expect((await readTombstone({ store: later, signer: alone }, gone))?.id).toBe(gone);
  expect(await later.read('drills/1.json')).not.toBeNull();
  await folder.remove();
});

it('doctor advises to empty a scratch database only if the protected one answers and is another', async () => {
  const [database, other] = [await startTestDatabase(), await startTestDatabase()];
  await database.redis.set('somebodys', 'data');
  const scratch = await startUpstashRedis({ redisUrl: database.url, token: 'right' });
  const primary = await startUpstashRedis({ redisUrl: other.url, token: 'right' });
  const drill = { DRILL_REDIS_REST_URL: scratch.url, DRILL_REDIS_REST_TOKEN: 'right' };
  expect((await told('drill', drill))?.hint).toContain('do not empty it');
  const both = { ...drill, UPSTASH_REDIS_REST_URL: primary.url, UPSTASH_REDIS_REST_TOKEN: 'right' };
  expect(await told('drill', both)).toMatchObject({ status: 'warn', hint: expect.stringMatching(/^Empty it/) });
  await Promise.all([scratch.stop(), primary.stop()]);
  await Promise.all([database.stop(), other.stop()]);
});
