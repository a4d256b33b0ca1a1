import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { inProcessQueue, type InProcessQueue } from '../../lib/adapters/in-process-queue.js';
import { silentLog } from '../../lib/adapters/json-log.js';
import { AppError } from '../../lib/errors.js';
import type { Json } from '../../lib/json.js';
import { drive } from '../../lib/runs/drive.js';
import { createEngine, type Engine } from '../../lib/runs/engine.js';
import type { Budget } from '../../lib/runs/leg.js';
import type { Leg, RunDefinition, StepOutcome } from '../../lib/runs/model.js';
import { loadRun } from '../../lib/runs/records.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { manualClock, type ManualClock } from '../support/manual-clock.js';

const TIMES = { legTtlMs: 60_000, handOverMs: 600_000 };
const PROGRESS = { done: 0, total: null, unit: 'items', bytes: 0 } as const;
const TASKS = 7;

let folder: FolderStore;
let clock: ManualClock;
let queue: InProcessQueue;
/** What the run did, in order. */
let did: string[];
/** Called at each point where a fault may strike. */
let fault: (at: string) => void;

beforeEach(async () => {
  folder = await folderStore();
  clock = manualClock();
  queue = inProcessQueue();
  did = [];
  fault = () => undefined;
});

afterEach(() => folder.remove());

/** Counts to 5 in legs of one, does 7 tasks, then adds up their results. */
function counting(inline: number): RunDefinition {
  const count = async (leg: Leg): Promise<StepOutcome> => {
    const next = (leg.run.checkpoint as number) + 1;
    did.push(`count ${next}`);
    fault(`count ${next}`);
    await leg.save(next, PROGRESS);
    fault(`saved ${next}`);
    if (next < 5) return { to: 'later', checkpoint: next, progress: PROGRESS };
    return { to: 'phase', phase: 'work', tasks: TASKS, checkpoint: next, progress: PROGRESS };
  };
  const sum = async (leg: Leg): Promise<StepOutcome> => {
    let total = 0;
    for await (const { result } of leg.results('work')) total += result as number;
    did.push('sum');
    fault('sum');
    return { to: 'end', state: 'succeeded', result: total, error: null };
  };
  const task = (_run: unknown, at: number): Promise<Json> => {
    did.push(`task ${at}`);
    fault(`task ${at}`);
    return Promise.resolve(at);
  };
  const work = { type: 'tasks', next: 'sum', inline, parallelism: 3, task, progress: () => PROGRESS } as const;
  const phases = { count: { type: 'serial', step: count }, work, sum: { type: 'serial', step: sum } } as const;
  return { kind: 'drill', lease: 'drill', firstPhase: 'count', phases };
}

function engineOf(inline = 0): Engine {
  return createEngine({ clock, log: silentLog(), queue, store: folder.store }, [counting(inline)], TIMES);
}

function budget(changes: Partial<Budget> = {}): Budget {
  const interrupt = new AbortController().signal;
  return { deadline: clock.now() + 100_000, lastAttempt: false, interrupt, ...changes };
}

async function start(engine: Engine): Promise<string> {
  const started = await engine.start({ kind: 'drill', input: null, checkpoint: 0, progress: PROGRESS });
  if (!started.started) throw new Error(`held by ${started.holder}`);
  return started.run.id;
}

/** Takes all messages there are, until none is left. */
async function takeAll(): Promise<string[]> {
  const bodies: string[] = [];
  for (let body = queue.take(); body !== null; body = queue.take()) bodies.push(body);
  return bodies;
}

describe.each([0, 2])('a run whose tasks are done inline by %d', (inline) => {
  it('goes through legs, tasks and its end', async () => {
    const engine = engineOf(inline);
    const id = await start(engine);
    const run = await drive(engine, clock, () => queue.take(), id, budget());
    expect(run).toMatchObject({ state: 'succeeded', result: 21, error: null });
    expect(did.filter((line) => line.startsWith('task'))).toHaveLength(TASKS);
  });

  it('comes to the same end when every message arrives three times and in reverse', async () => {
    const engine = engineOf(inline);
    const id = await start(engine);
    await engine.work(id, budget());
    const seen: string[] = [];
    for (let bodies = await takeAll(); bodies.length > 0; bodies = await takeAll()) {
      seen.push(...bodies);
      for (const body of [...bodies, ...seen, ...bodies].reverse()) await engine.deliver(body, budget());
    }
    const { record } = await loadRun(folder.store, id);
    expect(record).toMatchObject({ state: 'succeeded', result: 21 });
    expect(did.filter((line) => line === 'sum')).toHaveLength(1);
    expect(did.filter((line) => line.startsWith('count'))).toEqual([1, 2, 3, 4, 5].map((at) => `count ${at}`));
  });

  it('comes to the same end when messages arrive at the same time', async () => {
    const engine = engineOf(inline);
    const id = await start(engine);
    await engine.work(id, budget());
    for (let bodies = await takeAll(); bodies.length > 0; bodies = await takeAll()) {
      const outcomes = await Promise.allSettled([...bodies, ...bodies].map((body) => engine.deliver(body, budget())));
      const refused = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as AppError] : []));
      expect(refused.filter(({ code }) => code !== 'busy')).toEqual([]);
    }
    expect((await loadRun(folder.store, id)).record).toMatchObject({ state: 'succeeded', result: 21 });
    expect(did.filter((line) => line === 'sum')).toHaveLength(1);
  });
});

describe('a leg that dies', () => {
  const points = ['count 3', 'saved 3', 'task 2', 'task 6', 'sum'];

  it.each(points)('at "%s" is picked up by the retry of its message', async (point) => {
    const engine = engineOf();
    const id = await start(engine);
    let armed = true;
    fault = (at) => {
      if (!armed || at !== point) return;
      armed = false;
      throw new AppError('store-unavailable', 'gone', { hint: '', transient: true });
    };
    const waiting = [JSON.stringify({ run: id, leg: 0 })];
    for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
      await engine.deliver(body, budget()).catch((error: AppError) => {
        expect(error.code).toBe('store-unavailable');
        waiting.push(body);
      });
      waiting.push(...(await takeAll()));
    }
    expect(armed).toBe(false);
    expect((await loadRun(folder.store, id)).record).toMatchObject({ state: 'succeeded', result: 21 });
  });

  it('without a word keeps others waiting until its lease has run out', async () => {
    const engine = engineOf();
    const id = await start(engine);
    const stuck = createEngine({ clock, log: silentLog(), queue, store: folder.store }, [hanging()], TIMES);
    void stuck.work(id, budget()).catch(() => undefined);
    await clock.advance(0);
    await expect(engine.work(id, budget())).rejects.toMatchObject({
      code: 'busy',
      transient: true,
      retryAfterMs: 60_000,
    });
  });

  it('ends the run when nobody will call again', async () => {
    const engine = engineOf();
    const id = await start(engine);
    fault = () => {
      throw new AppError('redis-unavailable', 'down', { hint: 'wait', transient: true });
    };
    const run = await engine.work(id, budget({ lastAttempt: true }));
    expect(run).toMatchObject({ state: 'failed', error: { code: 'redis-unavailable', message: 'down', hint: 'wait' } });
    expect((await engine.start({ kind: 'drill', input: null, checkpoint: 0, progress: PROGRESS })).started).toBe(true);
  });

  it('ends the run at once when a retry cannot help', async () => {
    const engine = engineOf();
    const id = await start(engine);
    fault = () => {
      throw new AppError('redis-denied', 'no', { hint: '' });
    };
    expect(await engine.work(id, budget())).toMatchObject({ state: 'failed', error: { code: 'redis-denied' } });
  });

  it('says nothing of a foreign error but its name', async () => {
    const engine = engineOf();
    const id = await start(engine);
    fault = () => {
      throw new TypeError('SET secret hunter2');
    };
    const run = await engine.work(id, budget());
    expect(run).toMatchObject({ state: 'failed', error: { code: 'internal' } });
    expect(JSON.stringify(run)).not.toContain('hunter2');
  });
});

function hanging(): RunDefinition {
  const step = (): Promise<StepOutcome> => new Promise<StepOutcome>(() => undefined);
  return { kind: 'drill', lease: 'drill', firstPhase: 'count', phases: { count: { type: 'serial', step } } };
}

describe('two runs of one lease', () => {
  it('exclude each other', async () => {
    const engine = engineOf();
    const id = await start(engine);
    expect(await engine.start({ kind: 'drill', input: null, checkpoint: 0, progress: PROGRESS })).toEqual({
      started: false,
      holder: id,
    });
  });

  it('give way when the first has not been heard of for too long, and it cannot come back', async () => {
    const engine = engineOf();
    const first = await start(engine);
    await clock.advance(TIMES.handOverMs);
    const second = await start(engine);
    expect((await loadRun(folder.store, first)).record).toMatchObject({
      state: 'failed',
      error: { code: 'interrupted' },
    });
    await engine.work(first, budget());
    expect(did).toEqual([]);
    const run = await drive(engine, clock, () => queue.take(), second, budget());
    expect(run.state).toBe('succeeded');
  });

  it('fence off a leg that was only slow', async () => {
    const engine = engineOf();
    const first = await start(engine);
    let second = '';
    fault = (at) => {
      if (at !== 'count 1' || second !== '') return;
      second = 'pending';
      throw new AppError('store-unavailable', 'slow', { hint: '', transient: true });
    };
    await expect(engine.work(first, budget())).rejects.toMatchObject({ code: 'store-unavailable' });
    await clock.advance(TIMES.handOverMs);
    second = await start(engine);
    const late = await engine.deliver(JSON.stringify({ run: first, leg: 0 }), budget());
    expect(late.state).toBe('failed');
    expect((await drive(engine, clock, () => queue.take(), second, budget())).state).toBe('succeeded');
  });
});

describe('an interrupted process', () => {
  it('ends its run as failed and frees the lease', async () => {
    const engine = engineOf();
    const id = await start(engine);
    const stop = new AbortController();
    fault = (at) => {
      if (at === 'saved 2') stop.abort();
    };
    const run = await drive(
      engine,
      clock,
      () => queue.take(),
      id,
      budget({ interrupt: stop.signal, lastAttempt: true }),
    );
    expect(run).toMatchObject({ state: 'failed', error: { code: 'interrupted' } });
    await start(engine);
  });
});

describe('messages that are none of ours', () => {
  it.each(['', '{}', 'null', '{"run":1}', '{"run":"x","leg":-1}', '{"run":"x","leg":0,"more":1}'])(
    'are refused: %s',
    async (body) => {
      await expect(engineOf().deliver(body, budget())).rejects.toMatchObject({ code: 'usage' });
    },
  );

  it('are refused when they name no run', async () => {
    const body = JSON.stringify({ run: '20260101T000000Z-000000', leg: 0 });
    await expect(engineOf().deliver(body, budget())).rejects.toMatchObject({ code: 'not-found' });
    const odd = JSON.stringify({ run: '../../etc/passwd', leg: 0 });
    await expect(engineOf().deliver(odd, budget())).rejects.toMatchObject({ code: 'not-found' });
  });
});
