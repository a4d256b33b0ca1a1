import { pathToFileURL } from 'node:url';
import getPort from 'get-port';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveHttp } from '../../dev/stand-in-server.js';
import { startGitHub } from '../../dev/github/index.js';
import { startUpstashAccount } from '../../dev/upstash-account/index.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startVercelApi } from '../../dev/vercel-api/index.js';
import type { Status } from '../../page/api/types.js';
import { verdictOf } from '../../page/words/verdict.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';
import { openOutageRig, type OutageRig } from './outage-rig.js';

const MINUTE = 60_000;
const TOKEN = 'ghp_0123456789012345678901234567890123456789';
/** The variable with which each service, as its check names it, is told a wrong credential, and where its address stands. */
const SERVICES: Readonly<Record<string, { readonly wrong: Readonly<Record<string, string>>; readonly url: string }>> = {
  redis: { wrong: { UPSTASH_REDIS_REST_TOKEN: 'wrong' }, url: 'UPSTASH_REDIS_REST_URL' },
  queue: { wrong: { QSTASH_TOKEN: 'wrong' }, url: 'QSTASH_URL' },
  index: { wrong: { UPSTASH_VECTOR_REST_TOKEN: 'wrong' }, url: 'UPSTASH_VECTOR_REST_URL' },
  'index-next': { wrong: { UPSTASH_VECTOR_NEXT_REST_TOKEN: 'wrong' }, url: 'UPSTASH_VECTOR_NEXT_REST_URL' },
  embedder: { wrong: { GEMINI_API_KEY: 'wrong' }, url: 'GEMINI_BASE_URL' },
  drill: { wrong: { DRILL_REDIS_REST_TOKEN: 'wrong' }, url: 'DRILL_REDIS_REST_URL' },
  'target-standby': {
    wrong: { RESTORE_TARGET_STANDBY_REST_TOKEN: 'wrong' },
    url: 'RESTORE_TARGET_STANDBY_REST_URL',
  },
  replica: { wrong: { BACKUP_REPLICA_STORE: 'file:///proc/none' }, url: 'REPLICA_S3_ENDPOINT' },
  backend: { wrong: { BACKEND_URL: '' }, url: 'BACKEND_URL' },
  'webhook-secret': { wrong: { RESTORE_WEBHOOK_SECRET: 'abc' }, url: '' },
  heartbeat: { wrong: { HEARTBEAT_URL: '' }, url: 'HEARTBEAT_URL' },
  'github-token': { wrong: { GITHUB_TOKEN: 'ghp_unknown' }, url: 'GITHUB_API_URL' },
  'github-app': { wrong: { GITHUB_SECRET: 'wrong' }, url: 'GITHUB_API_URL' },
  vercel: { wrong: { VERCEL_API_TOKEN: 'wrong' }, url: 'VERCEL_API_URL' },
  'upstash-account': { wrong: { UPSTASH_API_KEY: 'wrong' }, url: 'UPSTASH_API_URL' },
};
const NAMES = Object.keys(SERVICES);
/** Another host of Redis would be another database, of which there is no snapshot. */
const REACHED = NAMES.filter((name) => name !== 'redis');

let rig: OutageRig;
let replica: FolderStore;
let standby: TestDatabase;
const stops: (() => unknown)[] = [];
let good: Readonly<Record<string, string | undefined>> = {};
let refusing = '';
let dead = '';

beforeAll(async () => {
  rig = await openOutageRig(10_000);
  [replica, standby, dead] = [await folderStore(), await startTestDatabase(), `http://127.0.0.1:${await getPort()}`];
  // The backend is well at /health alone; everything else is refused.
  const server = await serveHttp(({ url }, response) => {
    if (url === '/health') response.end('{"status":"healthy"}');
    else response.writeHead(404).end('<title>404</title>');
  });
  refusing = server.url;
  const target = await startUpstashRedis({ redisUrl: standby.url, token: 'standby' });
  const apps = [{ clientId: 'Ov23liAbCdEf', clientSecret: 'a-client-secret' }];
  const github = await startGitHub({ tokens: [{ token: TOKEN, login: 'octo', scopes: ['repo'] }], apps });
  const vercel = await startVercelApi({ projects: { backup: {} } });
  const id = 'db-of-production';
  const endpoint = new URL(process.env['UPSTASH_REDIS_REST_URL'] ?? '').host;
  const account = await startUpstashAccount({
    databases: [{ id, name: 'production', endpoint, redisUrl: standby.url }],
  });
  stops.push(
    () => target.stop(),
    () => github.stop(),
    () => vercel.stop(),
    () => account.stop(),
  );
  stops.push(
    () => replica.remove(),
    () => standby.stop(),
    () => server.stop(),
  );
  Object.assign(process.env, {
    ...{ RESTORE_TARGET_STANDBY_REST_URL: target.url, RESTORE_TARGET_STANDBY_REST_TOKEN: 'standby' },
    UPSTASH_VECTOR_NEXT_REST_URL: process.env['UPSTASH_VECTOR_REST_URL'],
    UPSTASH_VECTOR_NEXT_REST_TOKEN: process.env['UPSTASH_VECTOR_REST_TOKEN'],
    BACKUP_REPLICA_STORE: pathToFileURL(replica.folder).href,
    BACKEND_URL: refusing,
    RESTORE_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    ...{ GITHUB_API_URL: github.url, GITHUB_TOKEN: TOKEN, GITHUB_ID: 'Ov23liAbCdEf', GITHUB_SECRET: 'a-client-secret' },
    ...{ VERCEL_API_URL: vercel.url, VERCEL_API_TOKEN: vercel.token, SOULCASTER_BACKUP_PROJECT: 'backup' },
    ...{ UPSTASH_API_URL: account.url, UPSTASH_EMAIL: account.email, UPSTASH_API_KEY: account.apiKey },
    UPSTASH_REDIS_ID: id,
  });
  good = { ...process.env };
  expect((await rig.call('/api/cron/backup', { as: 'cron' })).status).toBe(200);
  await turn();
  await rig.settled();
  await rig.fireSchedule();
});
afterAll(async () => {
  await rig.close();
  for (const stop of stops) await stop();
});

/** One turn of the guard, a minute later. */
async function turn(): Promise<void> {
  rig.turn(MINUTE);
  await rig.call('/api/cron/guard', { as: 'cron' });
}

/** What an operator sees of each service, and of the whole. */
async function look() {
  const answer = await rig.call('/api/status', { as: 'admin' });
  const status = (await answer.json()) as Status & {
    readonly services: { readonly items: readonly { name: string; state: string; hint: string | null }[] };
  };
  if (!('alerts' in status)) throw new Error(JSON.stringify(status));
  const metrics = await (await rig.call('/api/status?format=prometheus', { as: 'admin' })).text();
  const open = status.alerts.map(({ code, subject }) => `${code} ${subject}`);
  return {
    state: status.state,
    tone: verdictOf({ data: status, error: null }, false).tone,
    open,
    of(name: string): string {
      const item = status.services.items.find((each) => each.name === name);
      const inMetrics = /service="([^"]+)",state="not-ok"\} 1$/;
      const isBad = metrics.split('\n').some((line) => inMetrics.exec(line)?.[1] === name);
      const alert = isOpen(open, name) ? 'alert' : 'no alert';
      return `${item?.state ?? 'absent'}, metrics ${isBad ? 'not-ok' : 'silent'}, ${alert}, ${item?.hint ? 'remedy' : 'no remedy'}`;
    },
  };
}

/** Of one of its checks. */
const isOpen = (open: readonly string[], name: string): boolean =>
  open.some((key) => key === `credential-failed ${name}` || key.startsWith(`credential-failed ${name}-`));

const BAD = 'not-ok, metrics not-ok, alert, remedy';
function wrongs(seen: Awaited<ReturnType<typeof look>>, names: readonly string[]): string[] {
  return names.filter((name) => seen.of(name) !== BAD).map((name) => `${name}: ${seen.of(name)}`);
}

describe('a fault found within one turn of the guard', () => {
  it('none: everything configured is ok at first', async () => {
    const seen = await look();
    expect([seen.open, NAMES.filter((name) => !/^ok/.test(seen.of(name)) && name !== 'webhook-secret')]).toEqual([
      [],
      [],
    ]);
    expect(seen).toMatchObject({ state: 'ok', tone: 'good' });
  });

  it.each([
    ['a wrong credential or a refusal', () => NAMES.map((name) => SERVICES[name]?.wrong ?? {}), NAMES],
    [
      'a dead host',
      () => [
        ...REACHED.filter((name) => (SERVICES[name]?.url ?? '') !== '').map((name) => ({
          [SERVICES[name]?.url ?? '']: dead,
        })),
        {
          BACKUP_REPLICA_STORE: 's3://bucket/copy',
          ...{
            REPLICA_S3_REGION: 'us-east-1',
            REPLICA_S3_ACCESS_KEY_ID: 'AKIA',
            REPLICA_S3_SECRET_ACCESS_KEY: 'secret',
          },
        },
        SERVICES['webhook-secret']?.wrong ?? {},
      ],
      REACHED,
    ],
  ])(
    '%s of any service is an alert, in the status, on the page and in the metrics, and ends when it is mended',
    async (_, changes, names) => {
      for (const change of changes()) Object.assign(process.env, change);
      if (process.env['BACKEND_URL'] === '') process.env['BACKEND_URL'] = `${refusing}/other`;
      if (process.env['HEARTBEAT_URL'] === '') process.env['HEARTBEAT_URL'] = `${refusing}/ping`;
      await turn();
      const seen = await look();
      expect(wrongs(seen, names)).toEqual([]);
      expect(seen.tone).not.toBe('good');
      expect(seen.state).toBe('degraded');
      expect(names.filter((name) => !isOpen([...rig.receiver.open()], name))).toEqual([]);
      for (const name of Object.keys(process.env)) if (!(name in good)) Reflect.deleteProperty(process.env, name);
      Object.assign(process.env, good);
      await turn();
      expect(await look()).toMatchObject({ state: 'ok', tone: 'good', open: [] });
      expect([...rig.receiver.open()]).toEqual([]);
    },
  );

  it('an alert channel that refuses or does not answer, although no alert can be sent', async () => {
    for (const url of [`${refusing}/hook`, `${dead}/hook`]) {
      process.env['ALERT_WEBHOOK_URL'] = url;
      await turn();
      const seen = await look();
      expect([url, seen.of('alerts')]).toEqual([url, BAD]);
      expect(seen.tone).not.toBe('good');
      process.env['ALERT_WEBHOOK_URL'] = good['ALERT_WEBHOOK_URL'];
      await turn();
      expect(await look()).toMatchObject({ state: 'ok', open: [] });
    }
  });

  it('a deployment that the queue does not reach', async () => {
    process.env['PUBLIC_URL'] = refusing;
    await turn();
    expect((await look()).open).toContain('credential-failed queue-way-back');
    process.env['PUBLIC_URL'] = good['PUBLIC_URL'];
    await turn();
    expect((await look()).open).toEqual([]);
  });

  it('the store; recoveries of alerts sent without it are sent by a message that the queue kept', async () => {
    await rig.stop('store');
    await turn();
    // Without it nothing is known of what was told before, and so the second store of this rig is told as well.
    expect([...rig.receiver.open()].sort()).toEqual(['credential-failed replica', 'store-unavailable store']);
    await rig.mend('store');
    await rig.settled();
    expect([...rig.receiver.open()]).toEqual(['credential-failed replica']);
    const ends = rig.receiver.messages
      .flatMap(({ alerts }) => alerts)
      .filter(({ code }) => code === 'store-unavailable');
    expect(ends.map(({ event }) => event)).toEqual(expect.arrayContaining(['opened', 'recovered']));
    expect(ends.filter(({ event }) => event === 'recovered')).toHaveLength(1);
    await turn();
    expect([...rig.receiver.open()]).toEqual([]);
    expect((await look()).open).toEqual([]);
  });
});

it('a backup started while Redis is down is answered as in progress, says why, and succeeds once Redis is back', async () => {
  await rig.stop('redis');
  const answer = await rig.call('/api/backup', { as: 'admin', method: 'POST' });
  const run = (await answer.json()) as { readonly runId: string };
  expect([answer.status, run, answer.headers.get('location')]).toMatchObject([
    202,
    { state: 'running', error: null, lastError: { code: 'redis-unavailable' }, nextAttemptAt: expect.any(String) },
    `/api/runs/${run.runId}`,
  ]);
  await rig.mend('redis');
  await rig.settled();
  const after = await rig.call(`/api/runs/${run.runId}`, { as: 'admin' });
  expect(await after.json()).toMatchObject({ state: 'succeeded', lastError: { code: 'redis-unavailable' } });
});
