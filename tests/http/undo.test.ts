import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { systemClock } from '../../lib/services/clock.js';
import { standardWebhooks } from '../../lib/services/standard-webhooks.js';
import { fullApp, type FullApp } from '../../lib/app/app.js';
import { withErrorResponse } from '../../lib/http/responses.js';
import { adminRestore, webhookRestore } from '../../lib/http/restore.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { BUDGET, logTo } from '../control/odd-store.js';
import { dumpOf, only, type Dump } from '../support/dumps.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
let database: TestDatabase;
let server: Awaited<ReturnType<typeof startUpstashRedis>>;
let folder: string;
let app: FullApp;
beforeAll(async () => {
  database = await startTestDatabase();
  server = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
  folder = await mkdtemp(join(tmpdir(), 'undo-'));
  const env = {
    UPSTASH_REDIS_REST_URL: server.url,
    UPSTASH_REDIS_REST_TOKEN: 'test',
    BACKUP_STORE: pathToFileURL(folder).href,
  };
  app = fullApp(env, { log: logTo([]) });
});
afterAll(async () => {
  await server.stop();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly body: { readonly runId: string; readonly state: string; readonly code?: string; readonly input: object };
}
type Send = (body: object) => Promise<Answer>;

const request = (body: string, headers: Record<string, string> = {}): Request =>
  new Request('http://localhost/api/restore', { method: 'POST', body, headers });

async function answerOf(call: () => Promise<Response>): Promise<Answer> {
  const response = await withErrorResponse(logTo([]), call);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const admin: Send = (body) => answerOf(() => adminRestore(app, request(JSON.stringify(body)), BUDGET));
let sent = 0;
const webhook: Send = (body) => {
  const text = JSON.stringify(body);
  const [id, now] = [`msg_${(sent += 1)}`, new Date()];
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, now, text),
  };
  const verifier = standardWebhooks({ secret: SECRET, clock: systemClock() });
  return answerOf(() => webhookRestore(app, request(text, headers), BUDGET, verifier));
};

const dump = async (): Promise<Dump> => only(await dumpOf(database.url), (key) => !key.startsWith('cluster:lock:'));

describe.each([
  ['POST /api/restore', admin],
  ['POST /api/webhooks/restore', webhook],
])('the restore of one project by %s', (_, send) => {
  let snapshot: string;
  let lost: Dump;
  let run: Answer;
  beforeEach(async () => {
    const { redis } = database;
    await redis.flushall();
    for (const id of ['p1', 'p2']) {
      await redis.hset(`project:${id}`, { id, user_id: 'u1' });
      await redis.hset(`feedback:${id}:i1`, { id: 'i1', title: 'one' });
      await redis.zadd(`feedback:created:${id}`, 1, 'i1');
    }
    const started = await startSnapshot(app.engine, 'cli');
    snapshot = started.started ? (await app.work(started.run.id, BUDGET)).id : '';
    await redis.del('project:p1', 'feedback:p1:i1', 'feedback:created:p1');
    lost = await dump();
    run = await send({ snapshot, scope: { project: 'p1' }, confirm: 'p1', reindex: false });
    expect(run).toMatchObject({ status: 200, body: { state: 'succeeded' } });
    await redis.hset('project:p2', 'name', 'renamed since');
    await redis.set('meanwhile', 'written');
  });

  const kept = (all: Dump): Dump => only(all, (key) => !['project:p2', 'meanwhile'].includes(key));

  it.each([
    ['by its id alone', { all: true }],
    ['with the project named', { project: 'p1' }],
  ])('is undone %s, and nothing else is touched', async (_name, scope) => {
    const confirm = 'project' in scope ? scope.project : run.body.runId;
    const undone = await send({ snapshot: run.body.runId, scope, confirm, reindex: false });
    expect(undone).toMatchObject({ status: 200, body: { state: 'succeeded', input: { scope: { project: 'p1' } } } });
    expect(kept(await dump())).toEqual(kept(lost));
    expect(await database.redis.hget('project:p2', 'name')).toBe('renamed since');
    expect(await database.redis.get('meanwhile')).toBe('written');
  });

  it('is not undone for another project', async () => {
    const other = { snapshot: run.body.runId, scope: { project: 'p3' }, confirm: 'p3', reindex: false };
    expect(await send(other)).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });
});
