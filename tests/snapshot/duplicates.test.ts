import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { countIndex, noCounts } from '../../lib/snapshot/counts.js';
import { duplicateLines, findDuplicates, type Duplicate } from '../../lib/snapshot/duplicates.js';
import { indexBuilder, unpackIndex, type PartIndex } from '../../lib/snapshot/part-index.js';

/** What happens on one line: a record of a key begins and perhaps ends, or the open one continues or is taken back. */
type Step = { readonly begins: string } | 'continues' | 'voids' | 'next-part';

interface Laid {
  readonly indexes: PartIndex[];
  readonly expected: Duplicate[];
  readonly alive: Set<string>;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', '__proto__', '').map((begins) => ({ begins })) },
  { weight: 3, arbitrary: fc.constantFrom('continues' as const, 'voids' as const, 'next-part' as const) },
);

/** Lays the lines into parts and says, record by record and without hashes, which are to be passed over. */
function lay(steps: readonly Step[]): Laid {
  const records: { key: string; at: Duplicate; isVoid: boolean }[] = [];
  const indexes: PartIndex[] = [];
  let builder = indexBuilder();
  let line = 0;
  let isOpen = false;
  for (const each of steps) {
    if (each === 'next-part') {
      indexes.push(builder.build());
      builder = indexBuilder();
      line = 0;
      continue;
    }
    const last = records.at(-1);
    if (typeof each === 'object') {
      builder.begin(Buffer.from(each.begins), 'string', line);
      records.push({ key: each.begins, at: { part: indexes.length, line }, isVoid: false });
      isOpen = true;
    } else if (each === 'voids' && isOpen && last !== undefined) {
      builder.voidRecord();
      last.isVoid = true;
      isOpen = false;
    }
    line += 1;
  }
  indexes.push(builder.build());
  const isDouble = ({ key, isVoid }: (typeof records)[number], at: number): boolean =>
    isVoid || records.slice(at + 1).some((later) => later.key === key);
  return {
    indexes,
    expected: records.filter(isDouble).map(({ at }) => at),
    alive: new Set(records.filter((record, at) => !isDouble(record, at)).map(({ key }) => key)),
  };
}

function partsOf(indexes: readonly PartIndex[]) {
  const nothing = { bytes: 0, sha256: '' };
  return indexes.map((index, at) => {
    const keys = unpackIndex(index).lines.length;
    return { name: String(at), keys, lines: 0, plain: nothing, stored: nothing };
  });
}

describe('duplicates', () => {
  it('are all records of a key but the last, and void records', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { indexes, expected, alive } = lay(steps);
        const read = (part: number) => Promise.resolve(unpackIndex(indexes[part] as PartIndex));
        const doubles = await findDuplicates(partsOf(indexes), read);
        expect(doubles).toEqual(expected);
        const counts = noCounts();
        for (const [part, index] of indexes.entries()) {
          countIndex(counts, unpackIndex(index), duplicateLines(doubles, part));
        }
        expect(counts.keys).toBe(alive.size);
      }),
      { numRuns: 500 },
    );
  });

  it('distinguish two keys with the same first hash', async () => {
    const one = unpackIndex(lay([{ begins: 'a' }, { begins: 'b' }]).indexes[0] as PartIndex);
    const colliding = { ...one, hashes: BigUint64Array.of(7n, 1n, 7n, 2n) };
    const parts = partsOf([lay([{ begins: 'a' }, { begins: 'b' }]).indexes[0] as PartIndex]);
    expect(await findDuplicates(parts, () => Promise.resolve(colliding))).toEqual([]);
  });
});
