import { describe, expect, it } from '@jest/globals';
import { alertChecks } from '../../lib/monitoring/checks.js';
import type { DeliveryState } from '../../lib/monitoring/state.js';

const NOW = Date.parse('2026-11-26T12:00:00Z');
const ADDRESS = 'a hash of the address';
const ago = (hours: number): string => new Date(NOW - hours * 3_600_000).toISOString();

/** What the check says where the last message went so, and how many test messages it sends for that. */
async function looked(last: DeliveryState | null): Promise<readonly [status: string, sent: number]> {
  let sent = 0;
  const [check] = alertChecks({
    open: () => ({ reach: () => Promise.resolve(), address: ADDRESS }),
    last: () => Promise.resolve(last),
    test: () => {
      sent += 1;
      return Promise.resolve({ at: ago(0), outcome: 'delivered', milliseconds: 5, error: null });
    },
    now: () => NOW,
  });
  const { status } = (await check?.run()) ?? { status: 'no check' };
  return [status, sent];
}

const failure = (outcome: 'failed' | 'unknown', hours: number): DeliveryState => ({
  to: ADDRESS,
  lastSentAt: ago(1000),
  lastFailure: { at: ago(hours), outcome, code: 'alert-unavailable', message: 'no answer in time', hint: 'Look.' },
});

describe('the check of the alert channel', () => {
  it.each([
    ['was delivered within a month', { to: ADDRESS, lastSentAt: ago(24), lastFailure: null }, ['ok', 0]],
    ['was delivered to another address', { to: 'another', lastSentAt: ago(24), lastFailure: null }, ['ok', 1]],
    ['was never sent', { to: null, lastSentAt: null, lastFailure: null }, ['ok', 1]],
    ['did not arrive', failure('failed', 1), ['ok', 1]],
    ['may have arrived at a slow receiver', failure('unknown', 1), ['fail', 0]],
    ['may have arrived more than a day ago', failure('unknown', 25), ['ok', 1]],
    ['cannot be told, since the store does not answer', null, ['warn', 0]],
  ] as const)('where the last message %s', async (_, last, expected) => {
    expect(await looked(last)).toEqual(expected);
  });
});
