import { describe, expect, it } from '@jest/globals';
import { toAppError } from '../../lib/errors.js';
import type { RotationResult } from '../../lib/rotation/rotate.js';
import type { VercelFault } from '../../dev/vercel-api/index.js';
import { ALL_NEW, ALL_OLD, NEW, OLD, rotationBench, stateOf, type RotationBench } from './rotation-bench.js';
import { STRIDE } from '../support/fast-check.js';

/** More calls than a rotation with its roll back makes. */
const MOST_CALLS = 60;

/**
 * Runs a rotation for every call that it makes, with this fault at that call (`from`: and at all after it), until one
 * reaches its end without having met the fault.
 */
async function atEachCall(
  fault: VercelFault,
  kind: 'once' | 'from',
  judge: (bench: RotationBench, result: RotationResult | null, at: number) => void | Promise<void>,
  {
    options = {},
    first = 0,
    stride = 1,
  }: { options?: Parameters<typeof rotationBench>[0]; first?: number; stride?: number } = {},
): Promise<void> {
  let at = first;
  for (let met = true; met; at += stride * STRIDE) {
    expect(at).toBeLessThan(MOST_CALLS);
    const bench = await rotationBench(options);
    try {
      met = false;
      bench.vercel.set({
        fault: (_, index) => {
          const hits = kind === 'once' ? index === at : index >= at;
          met ||= hits;
          return hits ? fault : null;
        },
      });
      const result = await bench.run().catch((error: unknown) => {
        expect(toAppError(error).code).not.toBe('internal');
        return null;
      });
      await judge(bench, result, at);
    } finally {
      await bench.stop();
    }
  }
  expect(at).toBeGreaterThan(10);
}

/** What the result says of every variable is what the host has. */
function tellsTheTruth(bench: RotationBench, { variables }: RotationResult): void {
  for (const { has, project, variable } of variables) {
    if (has !== 'unsure') expect(bench.vercel.valueOf(project, variable)).toBe(has === 'new' ? NEW : OLD);
  }
}

/** Nothing was changed, all is new, or all is old: and it is told as such. */
function isWhole(bench: RotationBench, result: RotationResult | null): void {
  if (result !== null) {
    expect(['done', 'rolled-back']).toContain(result.outcome);
    tellsTheTruth(bench, result);
  }
  expect(stateOf(bench)).toEqual(result?.outcome === 'done' ? ALL_NEW : ALL_OLD);
}

describe('a fault at each call of a rotation', () => {
  it.each<VercelFault>(['lose-reply', 'cut', 503])('%s, once: the rotation succeeds', async (fault) => {
    await atEachCall(fault, 'once', (bench, result) => {
      expect(result?.outcome).toBe('done');
      expect(stateOf(bench)).toEqual(ALL_NEW);
    });
  });

  it.each<VercelFault>([400, 403, 'limit', 'not-json'])(
    '%s, once: everything is as before, or everything is changed',
    async (fault) => {
      await atEachCall(fault, 'once', isWhole);
    },
  );

  it('refused, once, while a failed deployment is rolled back: the result says which variable has which value', async () => {
    const build = (project: string, { KEY }: Readonly<Record<string, string>>) => ({
      buildingReads: 1,
      ending: project === 'dashboard' && KEY === NEW ? ('ERROR' as const) : ('READY' as const),
    });
    await atEachCall(
      400,
      'once',
      (bench, result) => {
        if (result === null) expect(stateOf(bench)).toEqual(ALL_OLD);
        else tellsTheTruth(bench, result);
        expect(result?.outcome).not.toBe('done');
        if (result?.outcome === 'rolled-back') expect(stateOf(bench)).toEqual(ALL_OLD);
      },
      { options: { build } },
    );
  });

  it.each([0, 1, 2])(
    'no answer from there on: it tells what is known, the next call does the rest (%s of 3)',
    async (first) => {
      const judge = async (bench: RotationBench, result: RotationResult | null): Promise<void> => {
        if (result === null) expect(stateOf(bench)).toEqual(ALL_OLD);
        else tellsTheTruth(bench, result);
        bench.vercel.set({ fault: () => null });
        expect(await bench.run()).toMatchObject({ outcome: 'done' });
        expect(stateOf(bench)).toEqual(ALL_NEW);
      };
      await atEachCall('cut', 'from', judge, { first, stride: 3 });
    },
  );
});
