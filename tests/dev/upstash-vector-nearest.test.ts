import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { nearestByUsearch, type Metric } from '../../dev/upstash-vector/store.js';

const DIMENSIONS = 6;

const values = fc
  .array(fc.integer({ min: -50, max: 50 }), { minLength: DIMENSIONS, maxLength: DIMENSIONS })
  .filter((numbers) => numbers.some((number) => number !== 0))
  .map((numbers) => Float32Array.from(numbers));
const id = fc.integer({ min: 0, max: 40 }).map(String);
const change = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: id, values }) },
  { weight: 3, arbitrary: fc.record({ drop: id }) },
  { weight: 1, arbitrary: fc.record({ search: values, count: fc.integer({ min: 1, max: 50 }) }) },
);

function scoreOf(metric: Metric, one: Float32Array, other: Float32Array): number {
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
  if (metric === 'COSINE') return (1 + dot(one, other) / Math.sqrt(dot(one, one) * dot(other, other))) / 2;
  if (metric === 'DOT_PRODUCT') return Math.min(1, Math.max(0, (1 + dot(one, other)) / 2));
  return 1 / (1 + dot(one, one) - 2 * dot(one, other) + dot(other, other));
}

describe('nearestByUsearch', () => {
  it.each<Metric>(['COSINE', 'EUCLIDEAN'])('finds what a plain search finds, after any changes: %s', (metric) => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 200 }), values, (changes, wanted) => {
        const nearest = nearestByUsearch(DIMENSIONS, metric);
        const model = new Map<string, Float32Array>();
        const compare = (target: Float32Array, count: number): void => {
          const found = nearest.search(target, count);
          const best = [...model.values()].map((one) => scoreOf(metric, target, one)).sort((a, b) => b - a);
          expect(new Set(found.map((one) => one.id)).size).toBe(Math.min(count, model.size));
          for (const [at, { id: key, score }] of found.entries()) {
            expect(score).toBeCloseTo(best[at] ?? -1, 4);
            expect(score).toBeCloseTo(scoreOf(metric, target, model.get(key) ?? new Float32Array(DIMENSIONS)), 4);
          }
        };
        for (const step of changes) {
          if ('put' in step) nearest.put(step.put, step.values);
          if ('put' in step) model.set(step.put, step.values);
          if ('drop' in step) expect(nearest.drop(step.drop)).toBe(model.delete(step.drop));
          if ('search' in step) compare(step.search, step.count);
        }
        expect(nearest.size).toBe(model.size);
        compare(wanted, 10);
      }),
      { numRuns: 60 },
    );
  });

  it('scores a dot product of vectors of length 1', () => {
    const nearest = nearestByUsearch(2, 'DOT_PRODUCT');
    nearest.put('same', Float32Array.of(1, 0));
    nearest.put('across', Float32Array.of(0, 1));
    nearest.put('opposite', Float32Array.of(-1, 0));
    expect(nearest.search(Float32Array.of(1, 0), 3)).toEqual([
      { id: 'same', score: 1 },
      { id: 'across', score: 0.5 },
      { id: 'opposite', score: 0 },
    ]);
  });

  it('is empty after it was cleared', () => {
    const nearest = nearestByUsearch(2, 'COSINE');
    nearest.put('a', Float32Array.of(1, 0));
    nearest.clear();
    expect(nearest.search(Float32Array.of(1, 0), 3)).toEqual([]);
    nearest.put('b', Float32Array.of(1, 0));
    expect(nearest.search(Float32Array.of(1, 0), 3)).toEqual([{ id: 'b', score: 1 }]);
  });
});
