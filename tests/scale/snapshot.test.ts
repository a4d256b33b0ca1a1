import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { productFlags, program, runNode } from '../bench/processes.d.js';
import { setStage, type Stage } from '../bench/stage.d.js';
import { compareSnapshot } from '../support/compare.js';
import { dataOf, FEW_KEYS, KEYS, megabytes, seconds, teller } from './data.js';

const MEMORY_LIMIT = 250e6;
const MEMORY_GROWTH = 1.15;
const PATIENCE_MS = 15 * 60_000;

interface Taken {
  readonly id: string;
  readonly state: string;
  readonly keys: number;
  readonly requests: number;
  readonly commands: number;
  readonly plainBytes: number;
  readonly scanMs: number;
  readonly totalMs: number;
  readonly peakBytes: number;
  readonly ledger: Readonly<Record<string, unknown>>;
}

interface Verified {
  readonly state: string;
  readonly result: { readonly depth: string; readonly keys: number; readonly findings: readonly unknown[] };
  readonly totalMs: number;
  readonly peakBytes: number;
}

describe(`a database of ${KEYS.toLocaleString('en-US')} keys`, () => {
  const tell = teller();
  const takeSnapshot = async (stage: Stage): Promise<Taken> => {
    const taken = (await runNode(
      [...(await productFlags()), program('take-snapshot')],
      stage.variables('store'),
    )) as Taken;
    tell('snapshot', describeTaken(taken));
    return taken;
  };
  let few: Taken;
  let stage: Stage;
  let taken: Taken;

  beforeAll(async () => {
    const small = await setStage(dataOf(FEW_KEYS), 0);
    try {
      tell('loaded', `${small.keys} keys`);
      few = await takeSnapshot(small);
    } finally {
      await small.stop();
    }
    stage = await setStage(dataOf(KEYS), 0);
    tell('loaded', `${stage.keys} keys`);
    taken = await takeSnapshot(stage);
  }, PATIENCE_MS);
  afterAll(() => stage.stop());

  it('is saved whole', () => {
    expect(taken).toMatchObject({ state: 'succeeded', keys: stage.keys });
    const none = { count: 0, keys: [] };
    const ledger = { saved: stage.keys, expiredMeanwhile: 0, changedMeanwhile: none, unsupported: none, failed: none };
    expect(taken.ledger).toEqual(ledger);
  });

  it(
    'is verified from the store alone',
    async () => {
      const verified = (await runNode(
        [...(await productFlags()), program('verify-snapshot'), taken.id],
        stage.variables('store'),
      )) as Verified;
      tell('verified', `${seconds(verified.totalMs)}, peak ${megabytes(verified.peakBytes)}`);
      expect(verified.state).toBe('succeeded');
      expect(verified.result).toMatchObject({ depth: 'lines', keys: stage.keys, findings: [] });
    },
    PATIENCE_MS,
  );

  it(
    'is, key by key, what is in the snapshot',
    async () => {
      const compared = await compareSnapshot(stage.redisUrl, join(stage.folder, 'store'), taken.id);
      tell('compared', `${compared.keys} keys`);
      expect(compared).toEqual({
        keys: stage.keys,
        onlyInRedis: 0,
        onlyInSnapshot: 0,
        different: 0,
        examples: [],
      });
    },
    PATIENCE_MS,
  );

  it(`takes less than ${megabytes(MEMORY_LIMIT)} of memory to save`, () => {
    expect(taken.peakBytes).toBeLessThan(MEMORY_LIMIT);
  });

  it(`takes hardly more memory than ${FEW_KEYS.toLocaleString('en-US')} keys and the same giants`, () => {
    expect(taken.peakBytes / few.peakBytes).toBeLessThan(MEMORY_GROWTH);
  });
});

function describeTaken({ keys, scanMs, totalMs, peakBytes, plainBytes, requests, commands }: Taken): string {
  const perKey = `${(commands / keys).toFixed(2)} commands and ${(requests / keys).toFixed(3)} requests a key`;
  const size = `${keys} keys, ${megabytes(plainBytes)}`;
  return `${size}, read in ${seconds(scanMs)}, ${seconds(totalMs)} in all, peak ${megabytes(peakBytes)}, ${perKey}`;
}
