import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RedisPort } from '../../lib/ports/redis.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { intercept } from '../snapshot/intercept.js';
import { NOW, openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

/** A server that counts keys which it does not name. */
function hiding(port: RedisPort, hidden: RegExp): RedisPort {
  return intercept(port, {
    after: (commands, replies) =>
      replies.map((reply, at) => {
        if (commands[at]?.[0] !== 'SCAN' || !('value' in reply)) return reply;
        const [cursor, flat] = reply.value as [Buffer, Buffer[]];
        return { value: [cursor, flat.filter((_, n) => !hidden.test(String(flat[n - (n % 2)])))] };
      }),
  });
}

describe('the count of keys before a restore', () => {
  let bench: RestoreBench;
  let snapshot = '';
  const scope = { project: 'p' };
  beforeAll(async () => {
    bench = await openRestoreBench();
  });
  afterAll(() => bench.stop());
  beforeEach(async () => {
    const { redis } = bench.database;
    await redis.flushall();
    const batch = redis.pipeline();
    for (let at = 0; at < 300; at++) batch.hset(`feedback:p:${at}`, 'id', at);
    for (let at = 0; at < 100; at++) batch.set(`feedback:q:${at}`, 'v', 'PXAT', NOW + 1e10);
    batch.xadd('config:sentry:p:stream', '1-1', 'f', 'v').xadd('config:sentry:p:other', '1-1', 'f', 'v');
    await batch.exec();
    snapshot = (await bench.snapshot()).id;
    await redis.hset('feedback:p:1', 'id', 'changed');
    await redis.set('feedback:p:hidden', 'v');
  });

  it('does not count expiring keys of other projects as keys that SCAN misses', async () => {
    const redis = hiding(bench.port, /hidden/);
    const run = await bench.restore(snapshot, { scope }, { redis });
    const saved = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(saved).toMatchObject({ state: 'incomplete', names: { unexplained: 1 } });
    expect(run.state).toBe('failed');
  });

  it('excuses expired keys, which a server counts but SCAN does not return', async () => {
    const { redis } = bench.database;
    await redis.del('feedback:p:hidden');
    for (let at = 0; at < 50; at++) await redis.persist(`feedback:q:${at}`);
    await redis.set('feedback:q:over', 'v', 'PXAT', NOW + 1e10);
    const before = bench.commands();
    const run = await bench.restore(snapshot, { scope }, { redis: hiding(bench.port, /over/) });
    const saved = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(saved).toMatchObject({ state: 'complete', names: { walks: 2, unexplained: 0 } });
    expect(run.state).toBe('succeeded');
    const asked = bench.commands() - before;
    await redis.del('feedback:q:over');
    const whole = bench.commands();
    expect(await bench.restore(snapshot, { scope })).toMatchObject({ state: 'succeeded' });
    // Where nothing is in doubt, no key of another project is asked for.
    expect(asked - (bench.commands() - whole)).toBeGreaterThanOrEqual(100);
  });

  it('does not count keys that the plan did not save as keys that SCAN misses', async () => {
    const { redis } = bench.database;
    const batch = redis.pipeline();
    for (let at = 0; at < 100; at++) batch.persist(`feedback:q:${at}`);
    await batch.exec();
    const run = await bench.restore(snapshot, {}, { redis: hiding(bench.port, /hidden/) });
    const saved = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(saved).toMatchObject({ state: 'incomplete', names: { unexplained: 1 } });
    expect(run.state).toBe('failed');
  });

  it('counts new keys as added, not keys that the plan did not save', async () => {
    const run = await bench.restore(snapshot, { scope });
    const saved = (await loadManifest(bench.folder.store, run.id))?.manifest;
    expect(saved).toMatchObject({ state: 'complete', names: { walks: 1, added: 0, unexplained: 0 } });
  });
});
