import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { refusedFirst } from '../../lib/reindex/checkpoint.js';
import { openReindexBench, type ReindexBench } from './bench.js';
import { expectIndex, leaveVector, putProject, someItems, textOf } from './data.js';
import { reportOf, storedIn } from './outcome.js';

let bench: ReindexBench;

beforeEach(async () => {
  bench = await openReindexBench();
});

afterEach(() => bench.stop());

const SCOPE = { scope: { project: 'p1' } } as const;
const ALL = someItems(100);
const BAD: Record<string, string> = {
  'item-003': 'empty',
  'item-013': 'no-text',
  'item-023': 'not-utf8',
  'item-033': 'refused',
  'item-043': 'bad-embedding',
  'item-053': 'bad-embedding',
  'item-063': 'bad-embedding',
  'item-073': 'too-large',
  'item-083': 'not-a-hash',
};
const GOOD = Object.fromEntries(Object.entries(ALL).filter(([id]) => !(id in BAD)));

/** One item of each kind that cannot be embedded, in one batch. */
async function putBad(): Promise<void> {
  const { redis } = bench.database;
  await putProject(redis, 'p1', ALL);
  await redis.hset('feedback:p1:item-003', { title: ' \u0085', body: '\u001f' });
  await redis.hdel('feedback:p1:item-013', 'title', 'body');
  await redis.hset('feedback:p1:item-023', 'body', Buffer.from([0x61, 0xff]));
  await redis.hset('feedback:p1:item-073', 'title', 'x'.repeat(60_000));
  await redis.del('feedback:p1:item-083');
  await redis.set('feedback:p1:item-083', 'text');
  const text = (id: string): string => textOf(ALL[id] ?? {});
  bench.gemini.setFaults({
    refuse: (asked) => asked === text('item-033'),
    vector(asked) {
      if (asked === text('item-043')) return 'nan';
      if (asked === text('item-053')) return 'zero';
      return asked === text('item-063') ? 'short' : null;
    },
  });
}

describe('items that cannot be embedded', () => {
  it('are reported one by one and do not affect the rest of their batch', async () => {
    await putBad();
    const run = await bench.run(SCOPE);
    // What a service refused is left to be done.
    expect(run).toMatchObject({ state: 'incomplete', error: { code: 'incomplete' } });
    const { skipped, embedded } = reportOf(run);
    expect(Object.fromEntries(skipped.named.map(({ id, reason }) => [id, reason]))).toEqual(BAD);
    expect([embedded, skipped.count]).toEqual([91, 9]);
    expect(skipped.byReason).toMatchObject({ 'bad-embedding': 3, refused: 1 });
    await expectIndex(bench, 'p1', GOOD);
  });

  it('lose vectors that they cannot have, and keep vectors that the embedder failed to renew', async () => {
    await putBad();
    for (const id of Object.keys(BAD)) await leaveVector(bench, 'p1', id);
    const run = await bench.run(SCOPE);
    expect(run.state).toBe('incomplete');
    const kept = [...(await storedIn(bench.ports.vectors, 'p1')).keys()].filter((id) => id in BAD);
    expect(kept.sort()).toEqual(['item-033', 'item-043', 'item-053', 'item-063']);
    expect(reportOf(run).proof).toMatchObject({ items: 95, vectors: 95, left: 4, missing: 0, strays: 0 });
  });

  it('make the run fail when there are no others, and no vector is removed', async () => {
    await putProject(bench.database.redis, 'p1', someItems(3));
    await leaveVector(bench, 'p1', 'item-001');
    bench.gemini.setFaults({ vector: (text) => (text.startsWith('Title') ? 'zero' : null) });
    const run = await bench.run(SCOPE);
    expect(run).toMatchObject({ state: 'failed', error: { code: 'not-proven' } });
    expect(reportOf(run).skipped.byReason).toEqual({ 'bad-embedding': 3 });
    expect([...(await storedIn(bench.ports.vectors, 'p1')).keys()]).toEqual(['item-001']);
  });

  it('are embedded later if the fault was temporary', async () => {
    await putProject(bench.database.redis, 'p1', ALL);
    const unlucky = new Set(Object.values(ALL).slice(0, 3).map(textOf));
    bench.gemini.setFaults({ vector: (text) => (unlucky.delete(text) ? 'nan' : null) });
    const run = await bench.run(SCOPE);
    expect(reportOf(run)).toMatchObject({ embedded: 100, again: 0, skipped: { count: 0 } });
    await expectIndex(bench, 'p1', ALL);
    expect(bench.gemini.textsEmbedded()).toBe(1 + 100 + 3);
  });

  it('names the first hundred of many and counts all', async () => {
    const hollow = Array.from({ length: 130 }, (_, at) => [`hollow-${at}`, { title: ' ' }] as const);
    await putProject(bench.database.redis, 'p1', { ...ALL, ...Object.fromEntries(hollow) });
    const { skipped } = reportOf(await bench.run(SCOPE));
    expect([skipped.count, skipped.named.length, skipped.byReason]).toEqual([130, 100, { empty: 130 }]);
  });

  it('are listed with refused ones first, because those make the run incomplete', () => {
    const odd = Array.from(
      { length: 130 },
      (_, at) => ({ project: 'p1', id: `odd-${at}`, reason: 'not-a-hash' }) as const,
    );
    const late = { project: 'p1', id: 'late', reason: 'refused' } as const;
    expect(refusedFirst([...odd, late])).toEqual([late, ...odd.slice(0, 99)]);
  });
});
