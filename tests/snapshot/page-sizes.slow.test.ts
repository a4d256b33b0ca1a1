import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import type { TypedKey } from '../../lib/snapshot/read/batch.js';
import { pageSizes, byShare } from '../../lib/snapshot/scan/pages.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';
import { intercept } from './intercept.js';

describe('pages', () => {
  const keys = fc
    .array(fc.constantFrom<TypedKey['type'][]>('string', 'hash', 'set'), { maxLength: 3000 })
    .map((types) => types.map((type, at): TypedKey => ({ key: Buffer.from(String(at)), type })));
  const bytes = fc.integer({ min: 0, max: 200_000 });

  it('hold each key of a reply once, strings first, and no page is much over its size', () => {
    fc.assert(
      fc.property(keys, bytes, bytes, (all, ofString, ofOther) => {
        const sizes = pageSizes(256_000, 1);
        for (let at = 0; at < 10_000; at++) {
          sizes.note('string', ofString);
          sizes.note('hash', ofOther);
        }
        const groups = byShare(all, sizes.shareOf);
        expect(groups.flat().filter(({ type }) => type === 'string')).toEqual(
          all.filter(({ type }) => type === 'string'),
        );
        expect(new Set(groups.flat())).toEqual(new Set(all));
        expect(groups.flat()).toHaveLength(all.length);
        const firstOther = groups.flat().findIndex(({ type }) => type !== 'string');
        expect(
          groups
            .flat()
            .slice(Math.max(0, firstOther))
            .every(({ type }) => firstOther < 0 || type !== 'string'),
        ).toBe(true);
        for (const group of groups) {
          const share = group.reduce((sum, { type }) => sum + sizes.shareOf(type), 0);
          // A quarter more, and the key that did not fit any more.
          expect(share).toBeLessThanOrEqual(1.25 + 0.25 + 1e-6);
          const commands = group.reduce((sum, { type }) => sum + (type === 'string' ? 1 : 2), 0);
          expect(commands).toBeLessThanOrEqual(1.25 * 600 + 3);
        }
      }),
    );
  });

  it('follow the sizes of the last keys', () => {
    const sizes = pageSizes(256_000, 4096);
    const before = sizes.pageSize();
    for (let at = 0; at < 3_000; at++) sizes.note('hash', 100);
    expect(sizes.pageSize()).toBeGreaterThan(before * 10);
    expect(1 / sizes.shareOf('string')).toBeCloseTo(256_000 / 4096);
    for (let at = 0; at < 3_000; at++) sizes.note('string', 100_000);
    expect(1 / sizes.shareOf('string')).toBe(4);
    expect(1 / sizes.shareOf('hash')).toBe(300);
  });
});

describe('a snapshot', () => {
  let bench: SnapshotBench;
  beforeAll(async () => {
    bench = await openSnapshotBench();
  });
  afterAll(() => bench.stop());

  it('reads the strings of a SCAN with one MGET', async () => {
    const batch = bench.database.redis.pipeline();
    for (let at = 0; at < 3_000; at++) batch.set(`s:${at}`, 'a short value').hset(`h:${at}`, 'f', 'v'.repeat(2_000));
    await batch.exec();
    const spent = new Map<string, number>();
    const redis = intercept(bench.port, {
      before(commands) {
        for (const [name] of commands) spent.set(name, (spent.get(name) ?? 0) + 1);
        return null;
      },
    });
    const { id, manifest } = await bench.takeWhole({ redis });
    expect(await bench.compare(id)).toMatchObject({ keys: 6_000, onlyInRedis: 0, onlyInSnapshot: 0, different: 0 });
    expect(spent.get('MGET')).toBeLessThanOrEqual(spent.get('SCAN') ?? 0);
    expect(manifest.spent.commands).toBeLessThan(9_000 * 1.005);
  });
});
