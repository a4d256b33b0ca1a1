import { expect, it } from '@jest/globals';
import fc, { SEED } from './fast-check.js';

it('draws the same cases in every run', () => {
  const drawn = (): number[] => {
    const all: number[] = [];
    fc.assert(fc.property(fc.integer(), (n) => void all.push(n)));
    return all;
  };
  expect(drawn()).toEqual(drawn());
  expect(fc.readConfigureGlobal()).toMatchObject({ seed: SEED });
});
