import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import fc, { cases } from '../support/fast-check.js';
import { recentRuns } from '../../lib/runs/recent.js';
import { DAY, HOUR, openWorld, type World } from './world/index.js';
import { told } from './world/judge.js';
import { live, type Fortnight, type Lived } from './world/model.js';
import { cronsOf } from './world/timetable.js';

const CRONS = cronsOf(join(resolve(import.meta.dirname, '../..'), 'vercel.json'));
const RUNS = 200;

/** Fourteen days on Hobby's rules: a cron comes once a day, some time within its hour, or not at all. */
function everyFortnight(given: Partial<Fortnight>, check: (lived: Lived) => void): void {
  fc.assert(
    fc.property(fc.integer(), (seed) =>
      check(live({ crons: CRONS, random: randomOf(seed), missed: 0.5, lost: 0.05, ...given })),
    ),
    { numRuns: cases(RUNS) },
  );
}

/** The generator mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const heard = (time: string | null | undefined): number => Date.parse(time ?? '');

describe('fourteen days', () => {
  it('with both schedulers, and crons that fail at random, never pass a recovery point of 12 hours', () => {
    everyFortnight({}, ({ alarms, oldest }) => {
      expect(oldest).toBeLessThan(12 * HOUR);
      expect(alarms.has('silence')).toBe(false);
    });
  });

  it('without any cron keep the recovery point, and send an alert within 26 hours of the last call', () => {
    everyFortnight({ missed: 0, lost: 0, stops: { cron: 3 * DAY } }, ({ alarms, lastCalls, oldest }) => {
      expect(oldest).toBeLessThan(12 * HOUR);
      expect((alarms.get('cron') ?? Infinity) - heard(lastCalls.cron?.lastAt)).toBeLessThanOrEqual(26 * HOUR);
    });
  });

  it('without the schedule send an alert, or raise the alarm of the watchdog, within 26 hours of its last call', () => {
    everyFortnight({ lost: 0, stops: { schedule: 3.4 * DAY } }, ({ alarms, lastCalls }) => {
      const last = heard(lastCalls.schedule?.lastAt);
      const first = Math.min(alarms.get('schedule') ?? Infinity, alarms.get('silence') ?? Infinity);
      expect(first - last).toBeLessThanOrEqual(26 * HOUR);
    });
  });

  it('without both raise the alarm within 26 hours of the last call', () => {
    everyFortnight({ stops: { cron: 3.4 * DAY, schedule: 3.4 * DAY } }, ({ alarms }) => {
      expect((alarms.get('silence') ?? Infinity) - 3.4 * DAY).toBeLessThanOrEqual(26 * HOUR);
    });
  });

  it('with every call made raise no alarm', () => {
    everyFortnight({ missed: 0, lost: 0 }, ({ alarms }) => expect([...alarms]).toEqual([]));
  });
});

describe('two simulated days without any cron', () => {
  let world: World;
  afterEach(() => world.stop());

  it('make the guard create its schedule, keep the recovery point within 12 hours, and alert about the cron', async () => {
    world = await openWorld({ keys: 20, light: true, schedules: true });
    world.calls = (path) => (path.startsWith('/api/cron/') ? 0 : 1);
    // By hand once, as after a deployment: it makes the schedule, which calls from then on.
    await world.fire('/api/cron/guard');
    const from = world.clock.true();
    await world.pass(2 * DAY);
    const runs = await recentRuns(world.folder.store, { since: from, limit: 100 });
    const taken = runs
      .filter(({ kind, state }) => kind === 'snapshot' && state === 'succeeded')
      .map(({ createdAt, finishedAt }) => ({ from: Date.parse(createdAt), until: Date.parse(finishedAt ?? '') }))
      .reverse();
    const ages = taken.slice(1).map(({ until }, index) => until - (taken[index]?.from ?? 0));
    expect(taken.length).toBeGreaterThanOrEqual(5);
    expect(Math.max(...ages)).toBeLessThan(9.5 * HOUR);
    const alerts = world.receiver.messages.flatMap((message) =>
      message.alerts.map(({ code, event, subject }) => ({ at: message.at, what: `${event} ${code} ${subject}` })),
    );
    const silent = alerts.find(({ what }) => what === 'opened guard-silent cron');
    expect((silent?.at ?? Infinity) - from).toBeLessThanOrEqual(26 * HOUR);
    expect(told(world, 'opened').sort()).toEqual(['guard-silent', 'rpo-breached']);
  });
});
