import { expect, it } from '@jest/globals';
import { createLeaseWatchdog } from '../../lib/runs/lease-watchdog.js';
import { manualClock } from '../support/manual-clock.js';

const reason = (): Error => new Error('suspended');

it('is aborted when it is read after too long a silence, before any timer runs', () => {
  let up = 0;
  const clock = { ...manualClock(), uptime: () => up };
  const life = createLeaseWatchdog(clock, 60_000, [], reason);
  let told = 0;
  life.signal.addEventListener('abort', () => (told += 1));
  up = 59_999;
  expect(life.signal.aborted).toBe(false);
  life.confirmed(up);
  up += 59_999;
  expect(life.signal.aborted).toBe(false);
  up += 1;
  expect(life.signal.aborted).toBe(true);
  expect(told).toBe(1);
  expect(() => life.signal.throwIfAborted()).toThrow('suspended');
});

it('ignores changes of the system clock if uptime is known', async () => {
  const manual = manualClock();
  const life = createLeaseWatchdog({ ...manual, uptime: () => 0 }, 60_000, [], reason);
  await manual.advance(365 * 24 * 3_600_000);
  expect(life.signal.aborted).toBe(false);
});

it('is aborted with the reason of its sources', () => {
  const source = new AbortController();
  const life = createLeaseWatchdog(manualClock(), 60_000, [source.signal], reason);
  source.abort(new Error('stop'));
  expect(life.signal.aborted).toBe(true);
  expect(() => life.signal.throwIfAborted()).toThrow('stop');
});
