import { randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { Webhook } from 'standardwebhooks';
import { generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { AppError } from '../../lib/errors.js';
import { startGemini } from '../../dev/gemini/index.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { folderStore } from '../support/folder-store.js';
import { startTestDatabase } from '../support/test-database.js';
import { readableIn, recordWrites } from './recording-store.js';

const written = await recordWrites();
const { alertingApp: watchedApp } = await import('../../lib/app/guard-app.js');
const { connect } = await import('../../lib/app/connect.js');
const { adminRestore, webhookRestore } = await import('../../lib/http/restore.js');
const { adminReindex } = await import('../../lib/http/reindex.js');
const { adminDrill } = await import('../../lib/http/restore.js');
const { adminVerify } = await import('../../lib/http/snapshots.js');
const { cronBackup } = await import('../../lib/http/crons.js');
const { acknowledgeAlerts } = await import('../../lib/monitoring/alerts/acknowledge.js');
const { cronGuard } = await import('../../lib/http/crons.js');

/** A run as the API shows it, or what the guard answers. */
interface Answer extends Partial<Pick<RunRecord, 'state' | 'input' | 'error' | 'result'>> {
  readonly runId: string;
  readonly alerts?: readonly { readonly code: string; readonly message: string }[];
}

const STATES = {
  snapshot: 'succeeded',
  verify: 'succeeded',
  'dry run': 'succeeded',
  project: 'succeeded',
  undo: 'succeeded',
  merge: 'succeeded',
  missing: 'succeeded',
  everything: 'succeeded',
  drill: 'succeeded',
  're-index, dry': 'succeeded',
  're-index': 'incomplete',
  're-index of one': 'incomplete',
  're-index of missing': 'incomplete',
  webhook: 'succeeded',
  failed: 'failed',
};

const [PROJECT, OTHER] = ['cmwhitefalcon0001', 'cmbluelantern0002'];
/** Ids of two projects, of a user, of jobs, clusters, items and sources, and a part of every text. */
const WORDS = [PROJECT, OTHER, 'usersecretheron', 'jobsecretmarten', 'clustersecretibis', 'itemsecretotter'];
const TEXT = 'privatetextlynx';
const CREATED = '2026-03-01T09:30:00.250000+00:00';

describe('with encryption, no id of a project, user, job, cluster or item is in the store, nor in a name', () => {
  const before = { ...process.env };
  let stop: () => Promise<void>;
  let answers: Record<string, Answer>;
  let plain: string[];
  beforeAll(async () => {
    const [database, scratch] = await Promise.all([startTestDatabase(), startTestDatabase()]);
    const [first, second] = [await folderStore(), await folderStore()];
    const redis = await startUpstashRedis({ redisUrl: database.url, token: 'test-token-of-the-database' });
    const drill = await startUpstashRedis({ redisUrl: scratch.url, token: 'test-token-of-the-scratch' });
    const [index, gemini] = [await startUpstashVector({ indexDelayMs: 0 }), await startGemini({ vectors: 'hash' })];
    const identity = await generateX25519Identity();
    stop = async () => {
      await Promise.all([redis, drill, index, gemini].map((server) => server.stop()));
      await Promise.all([database.stop(), scratch.stop(), first.remove(), second.remove()]);
    };
    Object.assign(process.env, {
      UPSTASH_REDIS_REST_URL: redis.url,
      UPSTASH_REDIS_REST_TOKEN: 'test-token-of-the-database',
      DRILL_REDIS_REST_URL: drill.url,
      DRILL_REDIS_REST_TOKEN: 'test-token-of-the-scratch',
      BACKUP_STORE: pathToFileURL(first.folder).href,
      BACKUP_REPLICA_STORE: pathToFileURL(second.folder).href,
      BACKUP_AGE_RECIPIENTS: await identityToRecipient(identity),
      BACKUP_AGE_IDENTITY: identity,
      BACKUP_SIGNING_KEY: generateSigningKey().privateKey,
      BACKUP_PART_MIB: '0.02',
      UPSTASH_VECTOR_REST_URL: index.url,
      UPSTASH_VECTOR_REST_TOKEN: index.token,
      GEMINI_API_KEY: gemini.apiKey,
      GEMINI_BASE_URL: gemini.url,
      RESTORE_WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}`,
    });
    await load();
    answers = await workAll();
    const encrypted = written.length;
    Object.assign(process.env, { BACKUP_AGE_RECIPIENTS: '' });
    const asked = { snapshot: answers['snapshot']?.runId ?? '', scope: { project: PROJECT }, dryRun: true };
    await restored(asked);
    plain = readableIn(written.splice(encrypted), WORDS);

    async function load(): Promise<void> {
      for (const project of [PROJECT, OTHER]) {
        const pipeline = database.redis.pipeline();
        pipeline.hset(`project:${project}`, { id: project, name: TEXT, user_id: 'usersecretheron1' });
        pipeline.sadd('user:projects:usersecretheron1', project);
        pipeline.hset(`cluster:${project}:clustersecretibis1`, { id: 'clustersecretibis1', created_at: CREATED });
        pipeline.zadd(`clusters:${project}:all`, 1_772_000_000, 'clustersecretibis1');
        pipeline.hset('job:jobsecretmarten1', {
          project_id: PROJECT,
          cluster_id: 'clustersecretibis1',
          status: 'running',
        });
        pipeline.rpush('job:jobsecretmarten1:logs', TEXT);
        pipeline.zadd('cluster:jobs:clustersecretibis1', 1_772_000_000, 'jobsecretmarten1');
        for (let at = 0; at < 30; at++) {
          const id = `itemsecretotter${at}`;
          const item = { id, project_id: project, title: `${TEXT} ${at}`, body: randomBytes(300).toString('hex') };
          pipeline.hset(`feedback:${project}:${id}`, { ...item, source: 'manual', created_at: CREATED });
          pipeline.zadd(`feedback:created:${project}`, 1_772_357_400.25, id);
          pipeline.sadd(`cluster:${project}:clustersecretibis1:items`, id);
        }
        await pipeline.exec();
      }
      // Listed and not there: what is inspected names it. No text: it cannot be embedded.
      await database.redis.zadd(`feedback:created:${PROJECT}`, 1, 'itemsecretotter998');
      await database.redis.hset(`feedback:${OTHER}:itemsecretotter997`, { title: '', body: '' });
    }

    /** What goes away, is changed and comes up between a snapshot and its restore. */
    async function ruin(at: number): Promise<void> {
      const { redis: live } = database;
      await live.del(`feedback:${PROJECT}:itemsecretotter${at}`, 'job:jobsecretmarten1');
      await live.hset(`feedback:${PROJECT}:itemsecretotter${at + 1}`, 'title', 'changed');
      await live.hset(`feedback:${PROJECT}:itemsecretotter99${at}`, { id: `itemsecretotter99${at}` });
      await live.zadd(`feedback:created:${PROJECT}`, 2, `itemsecretotter99${at}`);
      await live.hset(`job:jobsecretmarten2${at}`, { project_id: PROJECT, cluster_id: 'clustersecretibis2' });
      await live.hset(`cluster:${PROJECT}:clustersecretibis2`, 'id', 'clustersecretibis2');
    }

    async function workAll(): Promise<Record<string, Answer>> {
      const app = watchedApp(process.env, { log: silentLog() });
      const all: Record<string, Answer> = {};
      const snapshot = (all['snapshot'] = await answered(cronBackup(app, get(), budget())));
      const of = { snapshot: snapshot.runId, scope: { project: PROJECT } };
      all['verify'] = await answered(adminVerify(app, post({ snapshot: 'latest' }), budget()));
      await ruin(3);
      all['dry run'] = await restored({ ...of, dryRun: true });
      all['project'] = await restored(of);
      all['undo'] = await restored({ ...of, snapshot: all['project'].runId });
      all['merge'] = await restored({ ...of, mode: 'merge' });
      await ruin(5);
      all['missing'] = await restored({ ...of, mode: 'missing' });
      all['everything'] = await restored({ ...of, scope: { all: true } });
      all['drill'] = await answered(adminDrill(app, post({}), budget()));
      const reindexed = (body: object) => answered(adminReindex(app, post(body), budget()));
      all['re-index, dry'] = await reindexed({ scope: { all: true }, dryRun: true });
      gemini.setFaults({ refuse: (text) => text.startsWith(`${TEXT} 7`) });
      all['re-index'] = await reindexed({ scope: { all: true } });
      gemini.setFaults({});
      all['re-index of one'] = await reindexed({ scope: { project: PROJECT }, mode: 'flush' });
      all['re-index of missing'] = await reindexed({ scope: { project: OTHER }, mode: 'missing' });
      const sent = JSON.stringify({ ...of, mode: 'missing' });
      const { webhooks } = connect(process.env, ['webhooks']);
      all['webhook'] = await answered(webhookRestore(app, signed(sent, `restore-${PROJECT}`), budget(), webhooks));
      all['failed'] = await failed(app);
      all['guard'] = await answered(cronGuard(app, get(), budget()));
      const word = { code: 'restore-failed', subject: null, reason: `known of ${PROJECT}`, until: null };
      await acknowledgeAlerts({ ...app.ports, own: null }, word);
      return all;
    }

    /** A restore that ends with an error which names what it was about. */
    async function failed(app: ReturnType<typeof watchedApp>): Promise<Answer> {
      const error = new AppError('not-found', `Project ${PROJECT} is not there`, { hint: `Look for ${OTHER}.` });
      const input = { scope: { project: PROJECT }, dryRun: false, trigger: 'admin' };
      const progress = { done: 0, total: null, unit: 'keys', bytes: 0 } as const;
      const started = await app.engine.start({ kind: 'restore', input, checkpoint: { of: OTHER }, progress });
      if (!started.started) throw new Error(`held by ${started.holder}`);
      return { ...(await app.engine.end(started.run.id, error)), runId: started.run.id };
    }

    function restored(body: { snapshot: string; scope: object; mode?: string; dryRun?: boolean }): Promise<Answer> {
      const confirm = 'project' in body.scope ? PROJECT : body.snapshot;
      return answered(
        adminRestore(
          watchedApp(process.env, { log: silentLog() }),
          post({ reindex: false, confirm, ...body }),
          budget(),
        ),
      );
    }
  });
  afterAll(async () => {
    process.env = before;
    await stop();
  });

  it('in any object that runs write, even for a moment', () => {
    expect(readableIn(written, [...WORDS, TEXT])).toEqual([]);
  });

  it('and the answers of the API still show them', () => {
    const { guard, ...runs } = answers;
    expect(Object.fromEntries(Object.entries(runs).map(([name, { state }]) => [name, state]))).toEqual(STATES);
    for (const name of ['dry run', 'project', 'undo', 'merge', 'missing', 're-index of one', 'webhook']) {
      expect(runs[name]).toMatchObject({ input: { scope: { project: PROJECT } } });
    }
    expect(runs['re-index']?.result).toMatchObject({
      skipped: { named: expect.arrayContaining([{ project: OTHER, id: 'itemsecretotter7', reason: 'refused' }]) },
    });
    expect(guard?.alerts).toContainEqual(
      expect.objectContaining({ code: 'restore-failed', message: expect.stringContaining(PROJECT) }),
    );
  });

  it('and the same search finds them without encryption', () => {
    const kinds = new Set(plain.map((line) => line.replace(/[^ ]*T[^/]*Z-[^/]*/, 'runs/ID').replace(/-\d+/, '')));
    expect([...kinds]).toEqual(
      expect.arrayContaining([
        ...[PROJECT, 'usersecretheron', 'jobsecretmarten', 'clustersecretibis'].map(
          (word) => `${word} in runs/ID/run.json`,
        ),
        'jobsecretmarten in runs/ID/tasks/check.json',
        `${PROJECT} in guard/state.json`,
      ]),
    );
  });
});

function get(): Request {
  return new Request('http://127.0.0.1/api');
}

function post(body: object): Request {
  return new Request('http://127.0.0.1/api', { method: 'POST', body: JSON.stringify(body) });
}

function signed(body: string, id: string): Request {
  const now = new Date();
  const headers = {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(process.env['RESTORE_WEBHOOK_SECRET'] ?? '').sign(id, now, body),
  };
  return new Request('http://127.0.0.1/api', { method: 'POST', body, headers });
}

function budget() {
  return { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };
}

async function answered(response: Promise<Response>): Promise<Answer> {
  return (await response).json() as Promise<Answer>;
}
