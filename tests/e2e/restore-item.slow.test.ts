import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';
import { connect } from '../../lib/app/connect.js';
import { checkProject } from '../../lib/soulcaster/invariants.js';
import { dumpOf, only, type Dump } from '../support/dumps.js';
import { openDatabase } from '../support/redis-calls.js';
import { nightlyStack, type NightlyStack, type RunView } from './nightly-stack.js';

let nightly: NightlyStack;
let redis: Redis;
beforeAll(async () => {
  const functions = { onLog: () => undefined };
  nightly = await nightlyStack({ items: 20, mixed: 0 }, { gemini: { vectors: 'hash' }, functions });
  redis = openDatabase(nightly.stack.urls.redis);
});
afterAll(async () => {
  redis.disconnect();
  await nightly.stack.stop();
});

const dump = async (): Promise<Dump> =>
  only(await dumpOf(nightly.stack.urls.redis), (key) => !key.startsWith('cluster:lock:'));

async function post(path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { authorization: `Bearer ${nightly.stack.env['ADMIN_TOKEN'] ?? ''}` };
  const answer = await nightly.call(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

async function done(path: string, body: object): Promise<RunView> {
  const answer = await post(path, body);
  expect(answer).toMatchObject({ status: 202 });
  return nightly.finished(String(answer.body['runId']));
}

/** An item that is in a cluster and has an external id, and the names of its keys; none of its lists is its own alone. */
async function someItem() {
  const [name = ''] = (await redis.keys('project:*')).sort();
  const project = name.slice('project:'.length);
  for (const cluster of await redis.zrange(`clusters:${project}:all`, '0', '-1')) {
    const ids = (await redis.smembers(`cluster:${project}:${cluster}:items`)).sort();
    for (const id of ids.length > 1 ? ids : []) {
      const [source, external] = await redis.hmget(`feedback:${project}:${id}`, 'source', 'external_id');
      if (typeof source !== 'string' || typeof external !== 'string') continue;
      if ((await redis.zcard(`feedback:source:${project}:${source}`)) > 1)
        return { project, id, cluster, source, external };
    }
  }
  throw new Error('there is none');
}

describe('one item of feedback, deleted as the application deletes it', () => {
  it('is back on the dashboard, in its cluster and in the search', async () => {
    const { vectors, redis: port } = connect(nightly.stack.env, ['vectors', 'redis']);
    const { project, id, cluster, source, external } = await someItem();
    const cron = (await (await nightly.cron()).json()) as RunView;
    const snapshot = cron.state === 'running' ? (await nightly.finished(cron.runId)).runId : cron.runId;
    expect(await done('/api/reindex', { scope: { project } })).toMatchObject({ state: 'succeeded' });
    const [before, counted] = [await dump(), await checkProject(port, project)];
    const [vector] = await vectors.fetch(project, [id]);
    if (vector === null || vector === undefined) throw new Error('no vector');

    await redis.del(`feedback:${project}:${id}`, `feedback:external:${project}:${source}:${external}`);
    await redis.zrem(`feedback:created:${project}`, id);
    await redis.zrem(`feedback:source:${project}:${source}`, id);
    await redis.srem(`cluster:${project}:${cluster}:items`, id);
    await vectors.remove(project, [id]);

    const order = { snapshot, scope: { items: [{ project, id }] } };
    const unconfirmed = await post('/api/restore', order);
    expect(unconfirmed).toMatchObject({
      status: 428,
      body: { hint: expect.stringContaining('PROJECT/ID') as unknown },
    });
    const run = await done('/api/restore', { ...order, confirm: `${project}/${id}` });
    expect(run).toMatchObject({
      state: 'succeeded',
      error: null,
      result: {
        plan: { total: { write: 2, unite: 3 } },
        proof: { total: { equal: 5 } },
        vectors: { state: 'started' },
      },
    });
    const reindex = await nightly.finished((run.result?.['vectors'] as { run: string }).run);
    expect(reindex).toMatchObject({ state: 'succeeded', result: { embedded: 1, swept: 0 } });

    expect(await dump()).toEqual(before);
    expect(await checkProject(port, project)).toEqual(counted);
    const [nearest] = await vectors.query(project, vector.values, 1);
    expect(nearest).toMatchObject({ id, metadata: { cluster_id: cluster } });
  });

  it('is refused with one clear error where nothing is selected, or what is selected cannot be', async () => {
    const before = await dump();
    const refused = async (scope: object): Promise<unknown> =>
      (await post('/api/restore', { snapshot: 'latest', scope, dryRun: true })).body;
    expect(await refused({ families: ['feedbacks'] })).toMatchObject({
      status: 400,
      detail: expect.stringContaining('family "feedbacks"') as unknown,
    });
    expect(await refused({ families: [] })).toMatchObject({ status: 422, code: 'invalid' });
    expect(await refused({ projects: ['nowhere'] })).toMatchObject({ status: 404 });
    const run = await done('/api/restore', { snapshot: 'latest', scope: { matches: ['nothing:*'] }, dryRun: true });
    expect(run).toMatchObject({
      state: 'failed',
      error: { code: 'not-found', message: expect.stringContaining('"nothing:*"') as unknown },
    });
    expect(await dump()).toEqual(before);
  });
});
