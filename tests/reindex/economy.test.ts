import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, putProject, someItems } from './data.js';
import { reportOf } from './outcome.js';
import { wrapRedis } from './wrap.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
});

afterEach(() => bench.stop());

describe('the commands of a re-index', () => {
  it('walk the database once for all projects and read each item twice: to embed and to reconcile', async () => {
    const projects = ['p1', 'p2', 'p3'];
    for (const project of projects)
      await putProject(bench.database.redis, project, someItems(120), { c: ['item-000'] });
    const asked = new Map<string, number>();
    let commands = 0;
    const redis = wrapRedis(bench.ports.redis, (some) => {
      commands += some.length;
      for (const [name, first] of some) {
        const key = name === 'SCAN' ? `SCAN ${String(first)}` : name === 'HMGET' ? `HMGET ${String(first)}` : null;
        if (key !== null) asked.set(key, (asked.get(key) ?? 0) + 1);
      }
      return Promise.resolve();
    });
    const run = await bench.run({}, { redis });
    expect(run).toMatchObject({ state: 'succeeded', error: null });
    expect(reportOf(run)).toMatchObject({ embedded: 360, again: 0 });
    expect(asked.get('SCAN 0')).toBe(1);
    for (const project of projects) {
      await expectIndex(bench, project, someItems(120), { 'item-000': 'c' });
      for (const id of Object.keys(someItems(120)))
        expect([id, asked.get(`HMGET feedback:${project}:${id}`)]).toEqual([id, 2]);
    }
    expect(commands / 360).toBeLessThan(2.3);
  });
});
