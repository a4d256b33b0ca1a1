import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AppError } from '../../lib/errors.js';
import { lockedError } from '../../lib/http/run-view.js';
import type { Engine } from '../../lib/runs/engine.js';
import { leaseHeldError } from '../../lib/runs/lease.js';
import type { RunDefinition } from '../../lib/runs/model.js';
import { openBench, SUM, TASKS, type Bench } from './bench.js';

let bench: Bench;

beforeEach(async () => {
  bench = await openBench();
});

afterEach(() => bench.folder.remove());

describe.each([0, 2])('a run whose tasks are done inline by %d', (inline) => {
  it('goes through attempts, tasks and its end', async () => {
    await bench.folder.remove();
    bench = await openBench(inline);
    const id = await bench.start();
    const run = await bench.drive(id);
    expect(run).toMatchObject({ state: 'succeeded', result: SUM, error: null });
    expect(bench.did.filter((line) => line.startsWith('task'))).toHaveLength(TASKS);
  });

  it('has the same result end when every message arrives three times and in reverse', async () => {
    await bench.folder.remove();
    bench = await openBench(inline);
    const { engine } = bench;
    const id = await bench.start();
    await engine.work(id, bench.budget());
    const seen: string[] = [];
    for (let bodies = bench.takeAll(); bodies.length > 0; bodies = bench.takeAll()) {
      seen.push(...bodies);
      for (const body of [...bodies, ...seen, ...bodies].reverse()) await engine.deliver(body, bench.budget());
    }
    const record = await bench.load(id);
    expect(record).toMatchObject({ state: 'succeeded', result: SUM });
    expect(bench.did.filter((line) => line === 'sum')).toHaveLength(1);
    expect(bench.did.filter((line) => line.startsWith('count'))).toEqual([1, 2, 3, 4, 5].map((at) => `count ${at}`));
  });

  it('has the same result end when messages arrive at the same time', async () => {
    await bench.folder.remove();
    bench = await openBench(inline);
    const { engine } = bench;
    const id = await bench.start();
    await engine.work(id, bench.budget());
    for (let bodies = bench.takeAll(); bodies.length > 0; bodies = bench.takeAll()) {
      const outcomes = await Promise.allSettled(
        [...bodies, ...bodies].map((body) => engine.deliver(body, bench.budget())),
      );
      const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as AppError] : []));
      expect(refused.filter(({ code }) => code !== 'busy')).toEqual([]);
    }
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM });
    expect(bench.did.filter((line) => line === 'sum')).toHaveLength(1);
  });
});

describe('a lease that a run of another database in the same store holds', () => {
  const request = {
    kind: 'drill',
    input: null,
    checkpoint: 0,
    progress: { done: 0, total: null, unit: 'items', bytes: 0 },
  } as const;

  it('is refused with the name of that database, and without an offer to end its run', async () => {
    const [one, other] = ['a', 'b'].map((digit) => bench.engineOf(null, digit.repeat(64))) as [Engine, Engine];
    const id = await bench.start(one);
    const refused = await other.start(request);
    expect(refused).toMatchObject({ started: false, holder: id, otherSource: 'a'.repeat(64) });
    if (refused.started) return;
    for (const error of [await leaseHeldError(bench.folder.store, refused), lockedError(refused, 'working')]) {
      expect(error.message).toContain('of another database (source aaaaaaaa)');
      expect(error.hint).toContain('BACKUP_STORE');
      expect(error.hint).not.toMatch(/cancel|unlock/);
    }
    const own = await one.start(request);
    expect(own).not.toHaveProperty('otherSource');
    if (own.started) return;
    for (const error of [await leaseHeldError(bench.folder.store, own), lockedError(own, 'working')]) {
      expect(error.hint).toContain('cancel');
    }
  });
});

describe('foreign messages', () => {
  it.each(['', '{}', 'null', '{"run":1}', '{"run":"x","leg":-1}', '{"run":"x","leg":0,"more":1}'])(
    'are refused: %s',
    async (body) => {
      await expect(bench.engine.deliver(body, bench.budget())).rejects.toMatchObject({ code: 'usage' });
    },
  );

  it('are refused when they name no run', async () => {
    const body = JSON.stringify({ run: '20260101T000000Z-000000', leg: 0 });
    await expect(bench.engine.deliver(body, bench.budget())).rejects.toMatchObject({ code: 'not-found' });
    const odd = JSON.stringify({ run: '../../etc/passwd', leg: 0 });
    await expect(bench.engine.deliver(odd, bench.budget())).rejects.toMatchObject({ code: 'not-found' });
  });
});

it('resumes a run if its kind allows it; every run of an unknown kind may be resumed', async () => {
  const run = await bench.load(await bench.start());
  const step = () => Promise.reject(new Error('never called'));
  const phases = { count: { type: 'serial', step } } as const;
  const engineWith = (more: Partial<RunDefinition>): Engine =>
    bench.engineOf({ kind: 'drill', lease: 'drill', firstPhase: 'count', words: {}, phases, ...more });
  expect(engineWith({}).mayResume(run)).toBe(true);
  expect(engineWith({ mayResume: () => false }).mayResume(run)).toBe(false);
  expect(engineWith({ kind: 'verify', mayResume: () => false }).mayResume(run)).toBe(true);
});
