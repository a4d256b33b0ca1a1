import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { ageEncryptor } from '../../lib/crypto/age.js';
import { addCounts, countIndex, countKind, noCounts, areCountsCompatible } from '../../lib/snapshot/counts.js';
import { addToLedger } from '../../lib/snapshot/ledger.js';
import { countsSchema, type Ledger } from '../../lib/snapshot/manifest.js';
import { indexBuilder, partIndexSchema, unpackIndex, type KeyKind } from '../../lib/snapshot/part-index.js';
import { estimatedUsd } from '../../lib/snapshot/kinds.js';

const name = fc.oneof(fc.constantFrom('__proto__', 'constructor', 'hasOwnProperty', 'p1', 'p 2'), fc.string());
const project = fc.option(name, { nil: null });
const kind: fc.Arbitrary<KeyKind> = fc.tuple(fc.constantFrom('string', 'hash'), name, project);

function countAll(kinds: readonly KeyKind[]) {
  const counts = noCounts();
  for (const each of kinds) countKind(counts, each, 1);
  return counts;
}

describe('counts', () => {
  it('count any names, in any order, and add up', () => {
    fc.assert(
      fc.property(fc.array(kind), fc.array(kind), (first, second) => {
        const together = countAll([...first, ...second]);
        const added = countAll(second);
        addCounts(added, countAll(first));
        expect(areCountsCompatible(together, added)).toBe(true);
        expect(together.keys).toBe(first.length + second.length);
        const projects = new Map<string, number>();
        for (const [, , named] of [...first, ...second]) {
          if (named !== null) projects.set(named, (projects.get(named) ?? 0) + 1);
        }
        expect(new Map(Object.entries(together.byProject))).toEqual(projects);
      }),
    );
  });

  it('are read from a stored manifest with every name', () => {
    fc.assert(
      fc.property(fc.array(kind), (kinds) => {
        const counts = countAll(kinds);
        const parsed = countsSchema.parse(JSON.parse(JSON.stringify(counts)));
        expect(Object.entries(parsed.byProject)).toEqual(Object.entries(counts.byProject));
        expect(areCountsCompatible(parsed, counts)).toBe(true);
      }),
    );
  });

  it('distinguish tables that differ in a single name or number', () => {
    const one = countAll([['string', 'feedback', 'a']]);
    expect(areCountsCompatible(one, countAll([['string', 'feedback', 'b']]))).toBe(false);
    expect(areCountsCompatible(one, countAll([['string', 'feedback', null]]))).toBe(false);
    expect(areCountsCompatible(one, countAll([['hash', 'feedback', 'a']]))).toBe(false);
    expect(areCountsCompatible(one, { ...one, keys: 2 })).toBe(false);
  });

  it('are compatible with those of a version that knows fewer key families, and with no others', () => {
    const before = countAll([
      ['hash', 'other', null],
      ['hash', 'other', null],
      ['hash', 'feedback', 'a'],
    ]);
    const after = countAll([
      ['hash', 'digest', 'a'],
      ['hash', 'other', null],
      ['hash', 'feedback', 'a'],
    ]);
    expect([areCountsCompatible(before, after), areCountsCompatible(after, before)]).toEqual([true, true]);
    const withoutProject = { ...after, byProject: { a: 0 } };
    const inOthers = { ...after, byProject: { a: 2, b: 1 } };
    const moved = { ...after, byFamily: { digest: 2, other: 1 } };
    const made = { ...after, byFamily: { ...after.byFamily, digest: 2 } };
    for (const wrong of [withoutProject, inOthers, moved, made, { ...after, byType: { string: 3 } }]) {
      expect([areCountsCompatible(before, wrong), areCountsCompatible(wrong, before)]).toEqual([false, false]);
    }
  });

  it('leave out the lines that are skipped', () => {
    const builder = indexBuilder();
    for (const [line, key] of ['feedback:__proto__:1', 'feedback:p:2', 'x'].entries()) {
      builder.begin(Buffer.from(key), 'hash', line);
    }
    const stored = partIndexSchema.parse(JSON.parse(JSON.stringify(builder.build())));
    const counts = noCounts();
    countIndex(counts, unpackIndex(stored), new Set([1]));
    expect(counts).toMatchObject({ keys: 2, byType: { hash: 2 }, byFamily: { feedback: 1, other: 1 } });
    expect(Object.entries(counts.byProject)).toEqual([['__proto__', 1]]);
  });
});

describe('the ledger', () => {
  it('counts all and names the first thousand', async () => {
    const none = { count: 0, keys: [] };
    const plain = ageEncryptor({ recipients: [], identity: null });
    let ledger: Ledger = { saved: 0, expiredMeanwhile: 0, changedMeanwhile: none, unsupported: none, failed: none };
    for (let at = 0; at < 1005; at++) {
      ledger = await addToLedger(plain, ledger, 'failed', Buffer.from([0xff, at % 256]), 'ERR');
    }
    expect(ledger.failed.count).toBe(1005);
    expect(ledger.failed.keys).toHaveLength(1000);
    expect(ledger.failed.keys[0]).toEqual({ key: { b: Buffer.from([0xff, 0]).toString('base64') }, reason: 'ERR' });
    expect(ledger.unsupported).toEqual({ count: 0, keys: [] });
  });
});

describe('the price', () => {
  it('is 20 cents for 100,000 commands', () => {
    expect(estimatedUsd(0)).toBe(0);
    expect(estimatedUsd(100_000)).toBe(0.2);
    expect(estimatedUsd(1_234_567)).toBe(2.469134);
    expect(estimatedUsd(3)).toBe(0.000006);
  });
});
