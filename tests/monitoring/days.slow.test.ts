import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { AppError } from '../../lib/errors.js';
import { DAY, HOUR, openWorld, type World } from './world/index.js';
import { repetitions, told, witness, type Witness } from './world/judge.js';

// Each test is days of work for a database and a disk.

let world: World;
let seen: Witness;
beforeEach(async () => {
  world = await openWorld();
  seen = witness(world);
  // A night, and the guard after it: then all is well.
  await world.pass(DAY);
  expect([...world.receiver.open()]).toEqual([]);
});
afterEach(() => world.stop());

/** Weeks of random days: always the same ones, unless another seed is asked for. */
const SEED = Number(process.env['DAYS_SEED'] ?? 1);
const WEEKS = Number(process.env['DAYS_WEEKS'] ?? 3);

const NIGHT = '/api/cron/backup';
const GUARD = '/api/cron/guard';
const denied = new AppError('redis-denied', 'The database refuses the token', { hint: 'Set the token.' });

/** After the trouble: nothing was wrong, nothing was repeated, and what was opened was closed. */
function expectRecovered(): void {
  expect(seen.wrongs).toEqual([]);
  expect(repetitions(world)).toEqual([]);
  expect([...world.receiver.open()]).toEqual([]);
}

describe('days', () => {
  it('without trouble bring two snapshots each, a drill a week, and no alert', async () => {
    const before = world.receiver.messages.length;
    await world.pass(8 * DAY);
    expect(world.receiver.messages.length).toBe(before);
    expect(seen).toEqual({ wrongs: [], breached: 0 });
    const runs = await world.kinds();
    expect(runs).toEqual({ snapshot: 18, drill: 2 });
    // Each cron pings at its beginning and, once the objective holds, at the end.
    const signals = world.receiver.pings.map(({ signal }) => signal);
    expect(signals).not.toContain('/fail');
    expect(signals.filter((signal) => signal === '/success').length).toBeGreaterThan(17);
  });

  it('with a missed night and a missed guard keep the objective or send an alert', async () => {
    world.calls = (path) => (path === NIGHT ? 0 : 1);
    await world.pass(DAY);
    world.calls = (path) => (path === GUARD ? 0 : 1);
    await world.pass(2 * DAY);
    expect(told(world, 'opened')).toContain('rpo-breached');
    expect(told(world, 'opened')).toContain('guard-silent');
    world.calls = () => 1;
    await world.pass(DAY);
    expectRecovered();
  });

  it('with failing nights send an alert the same night, daily reminders, and a recovery', async () => {
    world.weather.error = denied;
    await world.pass(2 * HOUR);
    expect([...world.receiver.open()]).toContain('backup-failed snapshot');
    // A guard every hour, too.
    for (let hour = 0; hour < 36; hour++) {
      await world.pass(HOUR);
      await world.fire(GUARD);
    }
    expect(seen.breached).toBeGreaterThan(12);
    expect(told(world, 'reminder').filter((code) => code === 'rpo-breached').length).toBeGreaterThan(0);
    world.weather.error = null;
    await world.pass(DAY);
    expectRecovered();
  });

  it('with a slow night complete the run over the queue', async () => {
    world.weather.latencyMs = 30 * 60_000;
    await world.pass(DAY);
    world.weather.latencyMs = 0;
    await world.pass(DAY);
    expectRecovered();
  });

  it('with dead runs and lost messages: the guard resumes or ends the runs', async () => {
    world.weather.deadly = true;
    world.queue.losing = true;
    await world.pass(3 * HOUR);
    world.weather.deadly = false;
    world.queue.losing = false;
    await world.pass(12 * HOUR);
    expect(told(world, 'opened')).toContain('run-stuck');
    // The guard comes when the snapshot of its last turn is just a day old.
    expect(seen.breached).toBeLessThanOrEqual(1);
    await world.pass(DAY);
    expectRecovered();
  });

  it('without the queue keep the objective: the guard takes the snapshot by itself', async () => {
    world.queue.refusing = true;
    world.calls = (path) => (path === NIGHT ? 0 : 1);
    await world.pass(3 * DAY);
    expect(seen.breached).toBeLessThanOrEqual(3);
    expect((await world.kinds())['snapshot']).toBeGreaterThanOrEqual(5);
    expect(told(world, 'opened')).not.toContain('backup-failed');
    world.queue.refusing = false;
    world.calls = () => 1;
    await world.pass(DAY);
    expectRecovered();
  });

  it('with a database that lost most of its keys take no snapshot of it in every turn', async () => {
    const { redis } = world.database;
    const keys = await redis.keys('*');
    await redis.del(...keys.slice(0, Math.ceil(keys.length * 0.8)));
    const before = (await world.kinds())['snapshot'] ?? 0;
    for (let hour = 0; hour < 36; hour++) {
      await world.pass(HOUR);
      await world.fire(GUARD);
    }
    expect(told(world, 'opened')).toContain('snapshot-doubtful');
    // One after 8 hours, then after 1, 2, 3 ... and 8 hours, and those of the nights: a snapshot an hour would be 28.
    const taken = ((await world.kinds())['snapshot'] ?? 0) - before;
    expect(taken).toBeGreaterThanOrEqual(4);
    expect(taken).toBeLessThanOrEqual(11);
  });

  it('with a drill that dies send an alert, and drill again the day after', async () => {
    await world.pass(6 * DAY);
    world.calls = (path) => {
      world.weather.deadly = path === GUARD;
      return 1;
    };
    await world.pass(DAY);
    world.calls = () => 1;
    world.weather.deadly = false;
    await world.pass(3 * DAY);
    expectRecovered();
    expect((await world.kinds())['drill']).toBeGreaterThanOrEqual(2);
  });

  it('with every cron called three times at once take no snapshot twice and send no alert twice', async () => {
    world.calls = () => 3;
    await world.pass(DAY);
    world.weather.error = denied;
    await world.pass(2 * DAY);
    world.weather.error = null;
    await world.pass(DAY);
    expectRecovered();
    expect(seen.breached).toBeGreaterThan(0);
  });

  it.each([
    ['three days ahead', 3 * DAY],
    ['three days back', -3 * DAY],
    ['an hour ahead', HOUR],
  ])('with a clock that jumps %s and comes back keep the objective or send an alert', async (_, jump) => {
    world.clock.skew(jump);
    await world.pass(2 * DAY);
    world.clock.skew(0);
    await world.pass(5 * DAY);
    expectRecovered();
  });

  it('with a clock that was ahead for a day take a snapshot as soon as the clock is right again', async () => {
    await world.pass(2 * DAY);
    world.clock.skew(30 * HOUR);
    await world.pass(DAY);
    world.clock.skew(0);
    const before = (await world.kinds())['snapshot'] ?? 0;
    // Only the guard comes, to whom one of the wrongly dated snapshots is young.
    world.calls = (path) => (path === NIGHT ? 0 : 1);
    await world.pass(DAY);
    expect((await world.kinds())['snapshot']).toBe(before + 1);
    world.calls = () => 1;
    await world.pass(3 * DAY);
    expectRecovered();
  });

  it('with a webhook that is down send all alerts as soon as it is up', async () => {
    world.receiver.status = 500;
    world.weather.error = denied;
    await world.pass(2 * HOUR);
    expect([...world.receiver.open()]).toEqual([]);
    world.receiver.status = 200;
    await world.pass(12 * HOUR);
    expect([...world.receiver.open()]).toContain('backup-failed snapshot');
    world.weather.error = null;
    await world.pass(DAY);
    expectRecovered();
  });

  const DAYS = {
    quiet: () => undefined,
    'no night': () => void (world.calls = (path) => (path === NIGHT ? 0 : 1)),
    'no guard': () => void (world.calls = (path) => (path === GUARD ? 0 : 1)),
    twice: () => void (world.calls = () => 2),
    denied: () => void (world.weather.error = denied),
    slow: () => void (world.weather.latencyMs = 20 * 60_000),
    deadly: () => {
      world.weather.deadly = true;
      world.queue.losing = true;
    },
    'clock ahead': () => world.clock.skew(30 * HOUR),
    'clock back': () => world.clock.skew(-30 * HOUR),
  };

  const kinds = fc.constantFrom(...(Object.keys(DAYS) as (keyof typeof DAYS)[]));
  const weeks = fc.sample(fc.array(kinds, { minLength: 7, maxLength: 7 }), { numRuns: WEEKS, seed: SEED });

  it.each(weeks.map((days) => [days]))(
    'of any kind, one after another, keep the objective or tell of it: %j',
    async (days) => {
      for (const kind of days) {
        DAYS[kind]();
        await world.pass(DAY);
        world.calls = () => 1;
        world.clock.skew(0);
        Object.assign(world.weather, { error: null, latencyMs: 0, deadly: false });
        world.queue.losing = false;
      }
      // So long that what is dated wrongly is no longer in the future.
      await world.pass(3 * DAY);
      // By a clock that jumps a day is shorter than it is; what was told before a clock was put back is told again at once.
      const least = days.includes('clock back') ? 0 : 6 * HOUR;
      expect({ days, wrongs: [...seen.wrongs, ...repetitions(world, least)] }).toEqual({ days, wrongs: [] });
      // A drill on a slow day tells how long a restore takes until the next one tells otherwise.
      const open = [...world.receiver.open()].filter((key) => key !== 'rto-breached database');
      expect({ days, open }).toEqual({ days, open: [] });
    },
  );
});
