import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { GET as backup } from '../../lib/http/functions/cron/backup.js';
import { GET as guard } from '../../lib/http/functions/cron/guard.js';
import { POST as scheduled } from '../../lib/http/functions/schedules/guard.js';
import { signDelivery } from '../../dev/qstash/courier.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { operator } from '../../lib/http/operator.js';
import { startReceiver, type Receiver } from '../monitoring/world/parts.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const CRON = 'a-cron-secret-of-32-characters-12';
const ADMIN = 'an-admin-token-of-32-characters-1';
const ORIGIN = 'https://backup.example.com';

let database: TestDatabase;
let rest: Awaited<ReturnType<typeof startUpstashRedis>>;
let folder: FolderStore;
let receiver: Receiver;
const saved = { ...process.env };

beforeAll(async () => {
  database = await startTestDatabase();
  await database.redis.set('key', 'value');
  rest = await startUpstashRedis({ redisUrl: database.url, token: 'right' });
});
afterAll(async () => {
  await rest.stop();
  await database.stop();
});
beforeEach(async () => {
  jest.spyOn(process.stderr, 'write').mockImplementation(() => true);
  [folder, receiver] = [await folderStore(), await startReceiver(() => Date.now())];
});
afterEach(async () => {
  jest.restoreAllMocks();
  process.env = { ...saved };
  await Promise.all([folder.remove(), receiver.stop()]);
});

function setUp(variables: Readonly<Record<string, string>> = {}): void {
  process.env = {
    ...saved,
    UPSTASH_REDIS_REST_URL: rest.url,
    UPSTASH_REDIS_REST_TOKEN: 'right',
    BACKUP_STORE: `file://${folder.folder}`,
    ALERT_WEBHOOK_URL: receiver.alertUrl,
    HEARTBEAT_URL: receiver.heartbeatUrl,
    CRON_SECRET: CRON,
    ADMIN_TOKEN: ADMIN,
    ...variables,
  };
}
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const cron = (call: typeof guard) => call(new Request(`${ORIGIN}/api/cron/x`, bearer(CRON)));
const status = async (query = '') => operator(new Request(`${ORIGIN}/api/status${query}`, bearer(ADMIN)));
const signals = (): string[] => receiver.pings.map(({ signal }) => signal);

describe('variables with which neither backup nor guard can start', () => {
  it.each([
    ['BACKEND_URL', 'api.example.com'],
    ['RUN_LEASE_SECONDS', 'abc'],
    ['FUNCTION_LIMIT_SECONDS', '300s'],
    ['BACKUP_AGE_RECIPIENTS', 'age1xyz'],
    ['UPSTASH_REDIS_REST_TOKEN', '"quoted-token"'],
    ['QSTASH_TOKEN', 'a b'],
  ])('raise an alert that recovers once they are fixed: %s', async (variable, value) => {
    setUp({ [variable]: value });
    expect((await cron(guard)).status).toBe(500);
    expect([...receiver.open()]).toEqual(['guard-failed configuration']);
    expect(signals()).toEqual(['/fail']);
    const told = JSON.stringify(receiver.messages);
    expect(told).toContain(variable);
    expect(told).toContain('npx soulcaster-backup doctor --env-file .env');
    expect(told).not.toContain('quoted-token');

    // A second call has nothing new to tell.
    expect((await cron(backup)).status).toBe(500);
    expect([receiver.messages.length, signals()]).toEqual([1, ['/fail', '/fail']]);
    const shown = await status();
    expect([shown.status, await shown.json()]).toMatchObject([
      503,
      {
        state: 'degraded',
        services: { state: 'not-ok' },
        alerts: expect.arrayContaining([
          expect.objectContaining({ code: 'guard-failed', subject: 'configuration' }),
        ]) as unknown,
        guard: { outcome: 'failed' },
      },
    ]);
    const metrics = await (await status('?format=prometheus')).text();
    expect(metrics).toContain('soulcaster_backup_service{service="configuration",state="not-ok"} 1');
    expect(metrics).toContain('soulcaster_backup_alert{code="guard-failed",subject="configuration"} 1');

    setUp();
    await cron(guard);
    expect([...receiver.open()]).not.toContain('guard-failed configuration');
    expect(await (await status()).json()).toMatchObject({ services: { state: 'ok' } });
  });

  it.each([
    ['BACKUP_STORE', 's3://'],
    ['BACKUP_SIGNING_KEY', 'AAAA'],
  ])('raise an alert even if the store cannot be opened: %s', async (variable, value) => {
    setUp({ [variable]: value });
    expect((await cron(guard)).status).toBe(500);
    expect([...receiver.open()]).toEqual(['store-unavailable store']);
    expect(signals()).toEqual(['/fail']);
  });

  it('raise an alert on a call signed by the queue, and on no other call', async () => {
    const keys = { QSTASH_CURRENT_SIGNING_KEY: 'sig_current', QSTASH_NEXT_SIGNING_KEY: 'sig_next' };
    setUp({ ...keys, QSTASH_TOKEN: 'a-token', PUBLIC_URL: ORIGIN, BACKUP_PART_MIB: 'x' });
    const url = `${ORIGIN}/api/schedules/guard`;
    const call = (headers: Readonly<Record<string, string>>) =>
      scheduled(new Request(url, { method: 'POST', body: '{}', headers }));
    await call({});
    await call({ 'upstash-signature': 'x.y.z' });
    expect([receiver.messages, receiver.pings]).toEqual([[], []]);
    await call({ 'upstash-signature': signDelivery('sig_current', url, Buffer.from('{}'), Date.now()) });
    expect([[...receiver.open()], signals()]).toEqual([['guard-failed configuration'], ['/fail']]);
  });

  it('do not delay callers without the secret, nor raise an alert for them', async () => {
    setUp({ BACKEND_URL: 'api.example.com' });
    expect((await guard(new Request(`${ORIGIN}/api/cron/guard`, bearer('wrong')))).status).toBe(401);
    expect([receiver.messages, receiver.pings]).toEqual([[], []]);
  });
});

describe('a channel with an invalid address', () => {
  it('the watchdog: raises an alert', async () => {
    setUp({ HEARTBEAT_URL: 'nope' });
    await cron(guard);
    expect([...receiver.open()]).toContain('credential-failed heartbeat');
  });

  it.each([
    ['ALERT_WEBHOOK_URL', 'nope'],
    ['ALERT_FORMAT', 'pigeon'],
  ])('%s: the watchdog gets a failure', async (variable, value) => {
    setUp({ [variable]: value });
    await cron(guard);
    // The snapshot that the turn took has pinged in between.
    expect(signals().at(-1)).toBe('/fail');
    expect(await (await status()).json()).toMatchObject({
      services: {
        items: expect.arrayContaining([expect.objectContaining({ name: 'alerts', state: 'not-ok' })]) as unknown,
      },
    });
  });
});
