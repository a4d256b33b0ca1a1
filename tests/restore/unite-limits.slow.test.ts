import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Mode } from '../../lib/restore/model.js';
import { openRestoreBench, type RestoreBench } from '../support/restore-bench.js';

/** That of Upstash's smallest plans. */
const LIMIT = 1024 * 1024;

describe('lists of members at the size limit of a plan', () => {
  let bench: RestoreBench;
  let snapshot = '';
  const long = Array.from({ length: 300 }, (_, at) => `${at}-`.padEnd(8000, 'x'));
  const ordinary = Array.from({ length: 60 }, (_, list) => ({
    key: `cluster:p1:c${list}:items`,
    members: Array.from({ length: 1000 }, (_, at) => `${list}-${at}`.padEnd(36, 'x')),
  }));
  beforeAll(async () => {
    bench = await openRestoreBench({ requestLimitBytes: LIMIT, snapshotReplyBytes: LIMIT });
    const fill = bench.database.redis.pipeline().hset('project:p1', 'id', 'p1');
    fill.zadd('feedback:created:p1', ...long.flatMap((id, at) => [at, id]));
    // What members stand for: else mode missing adds none.
    for (const id of long) fill.hset(`feedback:p1:${id}`, 'id', id);
    for (const { key, members } of ordinary) fill.sadd(key, ...members);
    await fill.exec();
    snapshot = (await bench.snapshot()).id;
  });
  afterAll(() => bench.stop());

  it.each<Mode>(['merge', 'missing', 'replace'])('are restored, and inspected: %s', async (mode) => {
    const { redis } = bench.database;
    const cut = redis.pipeline().zremrangebyrank('feedback:created:p1', 0, 149);
    for (const { key } of ordinary) cut.spop(key, 500);
    await cut.exec();
    const dry = await bench.restore(snapshot, { mode, dryRun: true });
    expect(dry).toMatchObject({ state: 'succeeded', error: null });
    const run = await bench.restore(snapshot, { mode });
    expect(run.error).toBeNull();
    expect(run.result).toMatchObject({ proof: { total: { missing: 0, different: 0 } } });
    expect(await redis.zcard('feedback:created:p1')).toBe(300);
    if (mode !== 'missing') expect(await redis.scard(ordinary[0]?.key ?? '')).toBe(1000);
  });
});

it('removes keys whose names together exceed the size limit of a request', async () => {
  const bench = await openRestoreBench({ requestLimitBytes: 200 * 1024 });
  try {
    const { redis } = bench.database;
    await redis.set('value', 'v');
    const { id } = await bench.snapshot();
    const fill = redis.pipeline();
    // Control characters take six bytes in a request, and less than two in a reply.
    for (let at = 0; at < 100; at++) fill.set(`${at}-`.padEnd(8000, '\u0001'), 'v');
    await fill.exec();
    const run = await bench.restore(id);
    expect(run).toMatchObject({ state: 'succeeded', error: null, result: { removed: 100, extras: 0 } });
    expect(await redis.keys('*')).toEqual(['value']);
  } finally {
    await bench.stop();
  }
});

it('names a list with a member that fits into no request, before anything is written', async () => {
  const bench = await openRestoreBench({ requestLimitBytes: 512 * 1024 });
  try {
    const { redis } = bench.database;
    await redis.sadd('feedback:unclustered:p1', 'x'.repeat(600 * 1024));
    await redis.set('value', 'v');
    const { id } = await bench.snapshot();
    for (const isEmpty of [false, true]) {
      if (isEmpty) await redis.flushall();
      else await redis.set('value', 'other');
      const dry = await bench.restore(id, { mode: 'merge', dryRun: true });
      const run = await bench.restore(id, { mode: 'merge', safety: false });
      for (const { error } of [dry, run]) {
        expect(error?.code).toBe('redis-reply-too-large');
        expect(error?.message).toContain('for key "feedback:unclustered:p1"');
      }
      expect(await redis.get('value')).toBe(isEmpty ? null : 'other');
    }
  } finally {
    await bench.stop();
  }
});
