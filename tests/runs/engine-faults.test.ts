import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import type { Attempt, RunDefinition, StepOutcome } from '../../lib/runs/model.js';
import { drive } from '../../lib/app/in-process.js';
import { claimLease } from '../../lib/runs/lease.js';
import { missingTasks } from '../../lib/runs/markers.js';
import { loadRun, runName, saveRun } from '../../lib/runs/records.js';
import { openBench, SUM, TASKS, TIMES, type Bench } from './bench.js';

const REQUEST = {
  kind: 'drill',
  input: null,
  checkpoint: 0,
  progress: { done: 0, total: null, unit: 'items', bytes: 0 },
} as const;

/** A run that does not exist. */
const GONE = '20200101T000000Z-00abcd';

let bench: Bench;

beforeEach(async () => {
  bench = await openBench();
});

afterEach(() => bench.folder.remove());

describe('an attempt that dies', () => {
  const points = ['count 3', 'saved 3', 'task 2', 'task 6', 'sum'];

  it.each(points)('at "%s" is picked up by the retry of its message', async (point) => {
    const { engine } = bench;
    const id = await bench.start();
    let armed = true;
    bench.fault = (at) => {
      if (!armed || at !== point) return;
      armed = false;
      throw new AppError('store-unavailable', 'gone', { hint: '', transient: true });
    };
    const waiting = [JSON.stringify({ run: id, leg: 0 })];
    for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
      await engine.deliver(body, bench.budget()).catch((error: unknown) => {
        expect((error as AppError).code).toBe('store-unavailable');
        waiting.push(body);
      });
      waiting.push(...bench.takeAll());
    }
    expect(armed).toBe(false);
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM });
  });

  it('silently keeps others waiting until its lease has expired', async () => {
    const { engine } = bench;
    const id = await bench.start();
    const stuck = bench.engineOf(hangingDefinition());
    void stuck.work(id, bench.budget()).catch(() => undefined);
    await bench.clock.advance(0);
    await expect(engine.work(id, bench.budget())).rejects.toMatchObject({
      code: 'busy',
      transient: true,
      retryAfterMs: 60_000,
    });
  });

  it('ends the run when no other attempt follows', async () => {
    const { engine } = bench;
    const id = await bench.start();
    bench.fault = () => {
      throw new AppError('redis-unavailable', 'down', { hint: 'wait', transient: true });
    };
    const run = await engine.work(id, bench.budget({ lastAttempt: true }));
    expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-unavailable', message: 'down', hint: 'wait' } });
    expect((await bench.engine.start(REQUEST)).started).toBe(true);
  });

  it('ends the run at once when a retry cannot help', async () => {
    const { engine } = bench;
    const id = await bench.start();
    bench.fault = () => {
      throw new AppError('redis-denied', 'no', { hint: '' });
    };
    expect(await engine.work(id, bench.budget())).toMatchObject({ state: 'failed', error: { code: 'redis-denied' } });
  });

  it('reports only the name of an unknown error', async () => {
    const { engine } = bench;
    const id = await bench.start();
    bench.fault = () => {
      throw new TypeError('SET secret hunter2');
    };
    const run = await engine.work(id, bench.budget());
    expect(run).toMatchObject({ state: 'failed', error: { code: 'internal' } });
    expect(JSON.stringify(run)).not.toContain('hunter2');
  });
});

/** Hands over from attempt to attempt without any progress. */
function stalledDefinition(): RunDefinition {
  const step = (attempt: Attempt): Promise<StepOutcome> =>
    Promise.resolve({ to: 'later', checkpoint: attempt.run.checkpoint, progress: attempt.run.progress });
  return { kind: 'drill', lease: 'drill', firstPhase: 'count', words: {}, phases: { count: { type: 'serial', step } } };
}

describe('a run without progress', () => {
  it('is ended after a number of attempts', async () => {
    const engine = bench.engineOf(stalledDefinition());
    const id = await bench.start(engine);
    let run = await engine.work(id, bench.budget());
    for (let attempts = 1; run.state === 'running' && attempts < 50; attempts++)
      run = await engine.work(id, bench.budget());
    expect(run).toMatchObject({ state: 'failed', error: { code: 'abandoned' } });
    expect(run.leg).toBeGreaterThan(5);
  });
});

function hangingDefinition(): RunDefinition {
  const step = (): Promise<StepOutcome> => new Promise<StepOutcome>(() => undefined);
  return { kind: 'drill', lease: 'drill', firstPhase: 'count', words: {}, phases: { count: { type: 'serial', step } } };
}

describe('two runs of one lease', () => {
  it('exclude each other', async () => {
    const id = await bench.start();
    expect(await bench.engine.start(REQUEST)).toMatchObject({ started: false, holder: id, lease: 'drill' });
  });

  it('do not wait for a run whose process died between the end of the run and the release of the lease', async () => {
    const first = await bench.start();
    const { record, etag } = await loadRun(bench.folder.store, first);
    await saveRun(bench.folder.store, { record, etag }, { ...record, state: 'succeeded' });
    expect(await bench.start()).not.toBe(first);
  });

  it('let the second run replace the first after too long a silence, and the first cannot come back', async () => {
    const { engine } = bench;
    const first = await bench.start();
    await bench.clock.advance(TIMES.holdMs);
    const second = await bench.start();
    expect(await bench.load(first)).toMatchObject({
      state: 'failed',
      error: { code: 'abandoned' },
    });
    await engine.work(first, bench.budget());
    expect(bench.did).toEqual([]);
    const run = await bench.drive(second);
    expect(run.state).toBe('succeeded');
  });

  it('fence off an attempt that was only slow', async () => {
    const { engine } = bench;
    const first = await bench.start();
    let second = '';
    bench.fault = (at) => {
      if (at !== 'count 1' || second !== '') return;
      second = 'pending';
      throw new AppError('store-unavailable', 'slow', { hint: '', transient: true });
    };
    await expect(engine.work(first, bench.budget())).rejects.toMatchObject({ code: 'store-unavailable' });
    await bench.clock.advance(TIMES.holdMs);
    second = await bench.start();
    const late = await engine.deliver(JSON.stringify({ run: first, leg: 0 }), bench.budget());
    expect(late.state).toBe('failed');
    expect((await bench.drive(second)).state).toBe('succeeded');
  });
});

describe('an interrupted process', () => {
  it('ends its run as failed and frees the lease', async () => {
    const id = await bench.start();
    const stop = new AbortController();
    bench.fault = (at) => {
      if (at === 'saved 2') stop.abort();
    };
    const run = await bench.drive(id, { interrupt: stop.signal, lastAttempt: true });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'interrupted' } });
    await bench.start();
  });
});

describe('a process that was suspended for longer than its lease lasts', () => {
  it('continues with its run if no other attempt took over', async () => {
    let attempts = 0;
    const step = (attempt: Attempt): Promise<StepOutcome> => {
      // A suspended process that wakes continues before its timers run.
      if (++attempts === 1) void bench.clock.advance(TIMES.attemptTtlMs + 1);
      attempt.signal.throwIfAborted();
      return Promise.resolve({ to: 'end', state: 'succeeded', result: attempts, error: null });
    };
    const engine = bench.engineOf({
      ...{ kind: 'drill', lease: 'drill', firstPhase: 'only', words: {} },
      phases: { only: { type: 'serial', step } },
    });
    const id = await bench.start(engine);
    const run = await drive(
      engine,
      bench.clock,
      () => null,
      id,
      bench.budget({ lastAttempt: true, deadline: Infinity }),
    );
    expect(run).toMatchObject({ state: 'succeeded', result: 2 });
  });
});

describe('an expired lease', () => {
  it('is taken over when its holder never had a record, or is no run', async () => {
    const { clock, engine, folder } = bench;
    expect(await claimLease({ clock, store: folder.store }, 'drill', GONE, TIMES)).toMatchObject({ granted: true });
    expect(await engine.start(REQUEST)).toMatchObject({ started: false, holder: GONE });
    await clock.advance(TIMES.holdMs);
    const started = await engine.start(REQUEST);
    expect(started.started).toBe(true);
    if (started.started) expect(await bench.load(started.run.id)).toMatchObject({ state: 'running' });
  });
});

it('a task that outlives its attempt does not disturb the next attempt', async () => {
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const begun: number[] = [];
  await bench.folder.remove();
  bench = await openBench(2, {
    async task(_run, at) {
      const isFirst = !begun.includes(at);
      begun.push(at);
      if (at === 0 && isFirst) throw new AppError('redis-unavailable', 'down', { hint: '', transient: true });
      if (at === 1 && isFirst) await gate;
      return at;
    },
  });
  const { store } = bench.folder;
  const id = await bench.start();
  await expect(bench.drive(id)).rejects.toMatchObject({ code: 'redis-unavailable' });
  const left = await store.read(runName(id));
  release();
  while ((await missingTasks(store, id, 'work', TASKS)).includes(1)) await turn();
  for (let at = 0; at < 100; at++) await turn();
  expect((await store.read(runName(id)))?.etag).toBe(left?.etag);
  expect(await bench.drive(id)).toMatchObject({ state: 'succeeded', result: SUM });
});
