import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import { cancelRun } from '../../lib/runs/engine.js';
import { encodeJson } from '../../lib/json.js';
import { releaseOrWarn } from '../../lib/runs/ending.js';
import { endLease } from '../../lib/runs/lease.js';
import { leaseHolders } from '../../lib/runs/lease-document.js';
import { CONFIRM_MS } from '../../lib/runs/attempt.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { newId } from '../../lib/runs/ids.js';
import { runName } from '../../lib/runs/records.js';
import { openBench, TASKS, type Bench } from './bench.js';

let bench: Bench;
beforeEach(async () => (bench = await openBench()));
afterEach(() => bench.folder.remove());

it('ends a run at once, frees its lease, and later messages change nothing', async () => {
  const { engine } = bench;
  const id = await bench.start();
  await engine.work(id, bench.budget());
  const late = bench.takeAll();
  expect(await cancelRun(engine, id)).toMatchObject({
    state: 'failed',
    error: { code: 'cancelled' },
    checkpoint: null,
  });
  const did = [...bench.did];
  for (const body of late) await engine.deliver(body, bench.budget());
  expect(bench.did).toEqual(did);
  expect(await bench.load(id)).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
  expect((await bench.drive(await bench.start())).state).toBe('succeeded');
});

it('stops the attempt in progress at its next write', async () => {
  const id = await bench.start();
  const saved: string[] = [];
  bench.fault = (at) => {
    if (at.startsWith('saved')) saved.push(at);
    return at === 'count 2' ? cancelRun(bench.engine, id) : undefined;
  };
  const run = await bench.drive(id);
  expect([bench.did, saved]).toEqual([['count 1', 'count 2'], ['saved 1']]);
  expect(run).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
  expect(await bench.load(id)).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
});

describe.each([
  ['within a process', 2, {}],
  ['over a queue', 0, { group: TASKS, ahead: 2 }],
])('an attempt that does tasks %s', (_, inline, shape) => {
  const begun: number[] = [];
  let atTask: (task: number) => Promise<void>;
  beforeEach(async () => {
    begun.length = 0;
    await bench.folder.remove();
    const task = async (_run: RunRecord, at: number): Promise<number> => {
      begun.push(at);
      await atTask(at);
      return at;
    };
    bench = await openBench(inline, { ...shape, task });
  });

  it('begins no task after the cancel', async () => {
    const id = await bench.start();
    let cancelled: Promise<unknown> | null = null;
    atTask = async (): Promise<void> => {
      cancelled ??= cancelRun(bench.engine, id).then(() => bench.clock.advance(CONFIRM_MS));
      await cancelled;
    };
    expect(await bench.drive(id)).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
    expect(begun).toEqual([0, 1]);
  });
});

it('does not read the lease for each of many short tasks', async () => {
  await bench.folder.remove();
  bench = await openBench(2);
  const read = jest.spyOn(bench.folder.store, 'read');
  let before = 0;
  const leaseReads = (): number => read.mock.calls.filter(([name]) => name.startsWith('leases/')).length;
  bench.fault = (at) => {
    if (at === 'task 0') before = leaseReads();
    if (at === `task ${TASKS - 1}`) expect(leaseReads()).toBe(before);
  };
  expect((await bench.drive(await bench.start())).state).toBe('succeeded');
});

it('ends a run whose lease is ended while it works, and does not resume it', async () => {
  const id = await bench.start();
  const ended: boolean[] = [];
  bench.fault = async (at) => {
    if (at === 'count 2') ended.push(await endLease({ clock: bench.clock, store: bench.folder.store }, 'drill'));
  };
  expect(await bench.drive(id)).toMatchObject({ state: 'failed', error: { code: 'abandoned' } });
  expect(ended).toEqual([true]);
  expect(bench.did).not.toContain('sum');
  expect(await leaseHolders(bench.folder.store)).toEqual([]);
});

describe('a stuck run', () => {
  const halfDone = async (): Promise<string> => {
    const id = await bench.start();
    await bench.engine.work(id, bench.budget({ deadline: 0 }));
    bench.takeAll();
    return id;
  };

  it.each(['its lease was ended', 'another run has had its lease', 'its lease is gone and another run came after it'])(
    'is not resumed once %s',
    async (what) => {
      const id = await halfDone();
      const ports = { clock: bench.clock, store: bench.folder.store };
      if (what === 'another run has had its lease') await bench.clock.advance(700_000);
      else await endLease(ports, 'drill');
      if (what !== 'its lease was ended') {
        expect((await bench.drive(await bench.start())).state).toBe('succeeded');
      }
      if (what.startsWith('its lease is gone')) await bench.folder.store.remove('leases/drill.json');
      const did = [...bench.did];
      expect(await bench.engine.work(id, bench.budget())).toMatchObject({
        state: 'failed',
        error: { code: 'abandoned' },
      });
      expect(bench.did).toEqual(did);
    },
  );

  it('is resumed if no other run held its lease, even if the lease is missing', async () => {
    const id = await halfDone();
    await bench.folder.store.remove('leases/drill.json');
    expect((await bench.drive(id)).state).toBe('succeeded');
  });

  it('is neither resumed nor ended by a deployment that protects another database', async () => {
    const [a, b] = ['a'.repeat(64), 'b'.repeat(64)].map((source) => bench.engineOf(null, source));
    const id = await bench.start(a);
    await a?.work(id, bench.budget({ deadline: 0 }));
    bench.takeAll();
    const run = await bench.load(id);
    expect([a?.isOurs(run), b?.isOurs(run)]).toEqual([true, false]);
    await bench.clock.advance(700_000);
    await bench.start(b);
    expect((await bench.load(id)).state).toBe('running');
    expect(await a?.work(id, bench.budget())).toMatchObject({ state: 'failed', error: { code: 'abandoned' } });
  });
});

it('leaves a run that is over as it is', async () => {
  const id = await bench.start();
  await bench.drive(id);
  expect(await cancelRun(bench.engine, id)).toMatchObject({ state: 'succeeded' });
});

it('ends a run without a sign of life for more than a day instead of resuming it', async () => {
  const id = await bench.start();
  await bench.engine.work(id, bench.budget());
  const did = [...bench.did];
  const late = bench.takeAll();
  await bench.clock.advance(25 * 3_600_000);
  for (const body of late) await bench.engine.deliver(body, bench.budget());
  expect(bench.did).toEqual(did);
  expect(await bench.load(id)).toMatchObject({ state: 'failed', error: { code: 'abandoned' } });
});

it.each([
  [{ lease: 'other' }, 'damaged'],
  [{ phase: 'nowhere' }, 'damaged'],
])('a record that its definition cannot have written is not worked on (%j)', async (change, code) => {
  const id = await bench.start();
  const name = runName(id);
  const found = await bench.folder.store.read(name);
  await bench.folder.store.swap(name, encodeJson({ ...(await bench.load(id)), ...change }), found?.etag ?? '');
  await bench.engine.work(id, bench.budget());
  expect(bench.did).toEqual([]);
  expect(await bench.load(id)).toMatchObject({ state: 'failed', error: { code } });
});

it('ignores a record stored under the id of another run', async () => {
  const id = await bench.start();
  const other = newId(bench.clock.now() + 1000);
  const found = await bench.folder.store.read(runName(id));
  await bench.folder.store.create(runName(other), found?.body ?? Buffer.from(''));
  await expect(bench.engine.work(other, bench.budget())).rejects.toMatchObject({ code: 'damaged' });
});

it('logs why locks cannot be released, and when they expire', async () => {
  const told: unknown[] = [];
  const log = { info: () => undefined, error: () => undefined, warn: (...line: unknown[]) => void told.push(line) };
  const refuse = (): Promise<never> =>
    Promise.reject(new AppError('redis-unavailable', 'Upstash does not answer', { hint: 'Wait.' }));
  await releaseOrWarn({ log }, { id: 'run', hidden: true } as RunRecord, refuse);
  await releaseOrWarn({ log }, { id: 'run' } as RunRecord, refuse);
  const line = (message: string): unknown => [
    'locks-not-released',
    {
      run: 'run',
      message: expect.stringContaining(message) as unknown,
      hint: expect.stringContaining('15 minutes') as unknown,
    },
  ];
  expect(told).toEqual([line('encrypted with another key or database token'), line('Upstash does not answer')]);
});
