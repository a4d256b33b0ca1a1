import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { cancelRun } from '../../lib/runs/cancel.js';
import { encodeJson } from '../../lib/json.js';
import { newId } from '../../lib/runs/ids.js';
import { runName } from '../../lib/runs/records.js';
import { openBench, type Bench } from './bench.js';

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

it('fences off an attempt that works: its next write of the record ends it', async () => {
  const id = await bench.start();
  let cancelled: Promise<unknown> = Promise.resolve();
  bench.fault = (at) => {
    if (at === 'count 2') cancelled = cancelRun(bench.engine, id);
  };
  const run = await bench.drive(id);
  await cancelled;
  expect(run).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
  // Tasks that were begun before the record was written may end; the run does not come back.
  expect(await bench.load(id)).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
});

it('leaves a run that is over as it is', async () => {
  const id = await bench.start();
  await bench.drive(id);
  expect(await cancelRun(bench.engine, id)).toMatchObject({ state: 'succeeded' });
});

it('a run of which nothing was heard for more than a day is ended, never resumed', async () => {
  const id = await bench.start();
  await bench.engine.work(id, bench.budget());
  const did = [...bench.did];
  const late = bench.takeAll();
  await bench.clock.advance(25 * 3_600_000);
  for (const body of late) await bench.engine.deliver(body, bench.budget());
  expect(bench.did).toEqual(did);
  expect(await bench.load(id)).toMatchObject({ state: 'failed', error: { code: 'interrupted' } });
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

it('a record under the id of another run is no record', async () => {
  const id = await bench.start();
  const other = newId(bench.clock.now() + 1000);
  const found = await bench.folder.store.read(runName(id));
  await bench.folder.store.create(runName(other), found?.body ?? Buffer.from(''));
  await expect(bench.engine.work(other, bench.budget())).rejects.toMatchObject({ code: 'damaged' });
});
