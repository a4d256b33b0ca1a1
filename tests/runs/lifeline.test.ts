import { expect, it } from '@jest/globals';
import { lifeline } from '../../lib/runs/lifeline.js';
import { manualClock } from '../support/manual-clock.js';

const reason = (): Error => new Error('stood still');

it('is aborted as soon as anybody looks after too long a silence, before any timer runs', () => {
  let up = 0;
  const clock = { ...manualClock(), uptime: () => up };
  const life = lifeline(clock, 60_000, [], reason);
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
  expect(() => life.signal.throwIfAborted()).toThrow('stood still');
});

it('takes a clock that is set for nothing, where uptime is known', async () => {
  const manual = manualClock();
  const life = lifeline({ ...manual, uptime: () => 0 }, 60_000, [], reason);
  await manual.advance(365 * 24 * 3_600_000);
  expect(life.signal.aborted).toBe(false);
});

it('is aborted with what aborts its sources', () => {
  const source = new AbortController();
  const life = lifeline(manualClock(), 60_000, [source.signal], reason);
  source.abort(new Error('stop'));
  expect(life.signal.aborted).toBe(true);
  expect(() => life.signal.throwIfAborted()).toThrow('stop');
});
