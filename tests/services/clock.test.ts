import { uptime } from 'node:os';
import { expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';

it('has the uptime of the system to ten milliseconds, however often it is read', async () => {
  const clock = systemClock();
  for (let round = 0; round < 5; round++) {
    const before = uptime() * 1000;
    const told = clock.uptime?.() ?? Number.NaN;
    const after = uptime() * 1000;
    expect(told).toBeGreaterThanOrEqual(before - 20);
    expect(told).toBeLessThanOrEqual(after);
    const from = Date.now();
    while (Date.now() - from < 15) await clock.sleep(1);
  }
});
