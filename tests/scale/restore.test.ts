import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { productFlags, program, runNode } from '../bench/processes.d.js';
import { setStage, type Stage } from '../bench/stage.d.js';
import { compareSnapshot } from '../support/compare.js';
import { dataOf, FEW_KEYS, KEYS, megabytes, seconds, teller } from './data.js';

/** Keys are looked for by their hashes, 8 bytes each: that is what memory may grow by. */
const MEMORY_GROWTH = 1.3;
const COMMANDS_PER_KEY = 1.1;
const PATIENCE_MS = 25 * 60_000;

interface Taken {
  readonly id: string;
  readonly state: string;
  readonly keys: number;
}

interface Restored {
  readonly state: string;
  readonly error: unknown;
  readonly targetEmpty: boolean;
  readonly plan: Readonly<Record<string, number>>;
  readonly proof: Readonly<Record<string, number>>;
  readonly written: Readonly<Record<string, number>>;
  readonly extras: number;
  readonly writing: { readonly commands: number; readonly requests: number };
  readonly writeMs: number;
  readonly totalMs: number;
  readonly phases: Readonly<Record<string, number>>;
  readonly peakBytes: number;
}

describe(`a snapshot of ${KEYS.toLocaleString('en-US')} keys`, () => {
  const tell = teller();
  let few: Restored;
  let stage: Stage;
  let taken: Taken;
  let restored: Restored;

  const run = async (on: Stage, name: string, ...args: string[]): Promise<unknown> =>
    runNode([...(await productFlags()), program(name), ...args], on.variables('store'));

  /** Loses everything and brings it back. */
  const loseAndRestore = async (on: Stage): Promise<[Taken, Restored]> => {
    tell('loaded', `${on.keys} keys`);
    const snapshot = (await run(on, 'take-snapshot')) as Taken;
    tell('snapshot', `${snapshot.keys} keys`);
    await on.empty();
    const outcome = (await run(on, 'restore-snapshot', '--id', snapshot.id)) as Restored;
    tell('restored', describeRestored(outcome, snapshot.keys));
    return [snapshot, outcome];
  };

  beforeAll(async () => {
    const small = await setStage(dataOf(FEW_KEYS), 0);
    try {
      [, few] = await loseAndRestore(small);
    } finally {
      await small.stop();
    }
    stage = await setStage(dataOf(KEYS), 0);
    [taken, restored] = await loseAndRestore(stage);
  }, PATIENCE_MS);
  afterAll(() => stage.stop());

  it('is restored whole into the emptied database', () => {
    expect(restored).toMatchObject({ state: 'succeeded', error: null, targetEmpty: true, extras: 0 });
    expect(restored.plan).toMatchObject({ write: stage.keys, overwrite: 0, same: 0, keep: 0, expired: 0, remove: 0 });
    expect(restored.written).toMatchObject({ written: stage.keys, kept: 0, removed: 0, expired: 0 });
    expect(restored.proof).toEqual({ equal: stage.keys, expired: 0, kept: 0, missing: 0, different: 0 });
  });

  it(
    'is, key by key, what is in the database then',
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

  it(`takes at most ${COMMANDS_PER_KEY} commands a key to write`, () => {
    expect(restored.writing.commands / stage.keys).toBeLessThan(COMMANDS_PER_KEY);
  });

  it(`takes hardly more memory than ${FEW_KEYS.toLocaleString('en-US')} keys and the same giants`, () => {
    expect(restored.peakBytes / few.peakBytes).toBeLessThan(MEMORY_GROWTH);
  });
});

function describeRestored({ writeMs, totalMs, peakBytes, writing, phases }: Restored, keys: number): string {
  const times = Object.entries(phases).map(([name, ms]) => `${name} ${seconds(ms)}`);
  const perKey = `${(writing.commands / keys).toFixed(3)} commands a key to write`;
  const spent = `written in ${seconds(writeMs)}, ${seconds(totalMs)} in all, peak ${megabytes(peakBytes)}, ${perKey}`;
  return `${spent} (${times.join(', ')})`;
}
