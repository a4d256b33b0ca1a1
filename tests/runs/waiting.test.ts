import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import { stuckAmong } from '../../lib/monitoring/guard/stuck.js';
import { openBench, SUM, TIMES, type Bench } from './bench.js';

const HOUR = 3_600_000;

let bench: Bench;

beforeEach(async () => {
  bench = await openBench();
});

afterEach(() => bench.folder.remove());

function quota(retryAfterMs?: number): AppError {
  const after = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new AppError('embedder-quota', "the day's quota is used up", { hint: 'wait', ...after });
}

/** Delivers messages until the queue is empty. */
async function deliverAll(first: readonly string[] = []): Promise<void> {
  const waiting = [...first, ...bench.takeAll()];
  for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
    await bench.engine.deliver(body, bench.budget());
    waiting.push(...bench.takeAll());
  }
}

/** Starts a run whose first try of a task meets a quota. */
async function startWaiting(at: string, error: AppError): Promise<string> {
  const id = await bench.start();
  let armed = true;
  bench.fault = (point) => {
    if (!armed || point !== at) return;
    armed = false;
    throw error;
  };
  await deliverAll([JSON.stringify({ run: id, leg: 0 })]);
  return id;
}

describe('a run that meets a quota', () => {
  it.each(['task 2', 'count 3'])(
    'at "%s" waits, does nothing until its time, and then continues to the end',
    async (at) => {
      const id = await startWaiting(at, quota(5 * HOUR));
      const asleep = await bench.load(id);
      expect(asleep).toMatchObject({ state: 'waiting', error: { code: 'embedder-quota' }, finishedAt: null });
      expect(Date.parse(asleep.resumeAt ?? '') - bench.clock.now()).toBe(5 * HOUR);

      const done = bench.did.length;
      await bench.clock.advance(4 * HOUR);
      await deliverAll([
        JSON.stringify({ run: id, leg: asleep.leg }),
        JSON.stringify({ run: id, phase: asleep.phase, task: 2 }),
      ]);
      expect(bench.did).toHaveLength(done);
      expect(await bench.load(id)).toMatchObject({ state: 'waiting' });

      await bench.clock.advance(HOUR);
      await deliverAll([JSON.stringify({ run: id, leg: asleep.leg })]);
      expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM, resumeAt: null, error: null });
    },
  );

  it('keeps its lease while it waits', async () => {
    const id = await startWaiting('task 2', quota(5 * HOUR));
    await bench.clock.advance(4 * HOUR);
    const other = { kind: 'drill', input: null, checkpoint: 0, progress: (await bench.load(id)).progress } as const;
    expect(await bench.engine.start(other)).toMatchObject({ started: false, holder: id });
  });

  it('waits an hour when the service names no time', async () => {
    const id = await startWaiting('task 2', quota());
    expect(Date.parse((await bench.load(id)).resumeAt ?? '') - bench.clock.now()).toBe(HOUR);
  });

  it('waits a day at most, and then tries again', async () => {
    const id = await startWaiting('task 2', quota(40 * HOUR));
    expect(Date.parse((await bench.load(id)).resumeAt ?? '') - bench.clock.now()).toBe(24 * HOUR);
  });

  it('continues in time, and counts as stuck until then, when its resume time was set by a clock that was ahead', async () => {
    const id = await startWaiting('task 2', quota(5 * HOUR));
    await bench.clock.advance(-40 * HOUR);
    const asleep = await bench.load(id);
    const stuck = await stuckAmong({ clock: bench.clock, store: bench.folder.store }, [asleep], TIMES);
    expect(stuck).toMatchObject([{ id }]);
    await deliverAll([JSON.stringify({ run: id, leg: asleep.leg })]);
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM });
  });

  it('ends when no queue can wake it', async () => {
    const id = await bench.start();
    bench.fault = (at) => {
      if (at === 'task 2') throw quota(HOUR);
    };
    const run = await bench.drive(id, { lastAttempt: true });
    expect(run).toMatchObject({ state: 'failed', error: { code: 'embedder-quota' } });
  });
});

describe('late messages', () => {
  it('however many, do not make a run count as stalled', async () => {
    const id = await bench.start();
    await bench.engine.deliver(JSON.stringify({ run: id, leg: 0 }), bench.budget());
    while ((await bench.load(id)).phase === 'count') {
      const { leg: attempt } = await bench.load(id);
      await bench.engine.deliver(JSON.stringify({ run: id, leg: attempt }), bench.budget());
    }
    const tasks = bench.takeAll();
    for (let n = 0; n < 40; n++) await bench.engine.deliver(JSON.stringify({ run: id, leg: 0 }), bench.budget());
    expect(await bench.load(id)).toMatchObject({ state: 'running', phase: 'work' });
    bench.takeAll();
    await deliverAll(tasks);
    expect(await bench.load(id)).toMatchObject({ state: 'succeeded', result: SUM });
  });
});
