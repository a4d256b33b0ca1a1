import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { environment } from '../../lib/config.js';
import { productFlags, program, runNode } from '../bench/processes.js';
import { setStage, type Stage } from '../bench/stage.js';
import { compareSnapshot } from '../support/compare.js';

/** SCALE_KEYS sets how many keys there are; the two giants come on top. */
const KEYS = Number(environment()['SCALE_KEYS'] ?? '1000000');
const FEW_KEYS = Math.min(KEYS, 100_000);
const GIANTS = { 'hash-fields': 2 * KEYS, 'string-bytes': 60 * KEYS };
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

/** A tenth is Soulcaster's, a hundredth of all types and sizes and oddities, the rest small. */
function dataOf(keys: number): Readonly<Record<string, number>> {
  const items = 1500;
  const projects = Math.round((keys * 0.1) / (items * 2.28));
  const mixed = Math.round(keys * 0.01);
  return { projects, items, mixed, small: Math.round(keys * 0.89) };
}

describe(`a database of ${KEYS.toLocaleString('en-US')} keys`, () => {
  const began = performance.now();
  const tell = (stage: string, facts: string): void => {
    process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${stage}: ${facts}\n`);
  };
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
    const small = await setStage({ ...dataOf(FEW_KEYS), ...GIANTS }, 0);
    try {
      tell('loaded', `${small.keys} keys`);
      few = await takeSnapshot(small);
    } finally {
      await small.stop();
    }
    stage = await setStage({ ...dataOf(KEYS), ...GIANTS }, 0);
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

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
