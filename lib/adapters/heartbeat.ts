import type { Clock } from '../ports/clock.js';
import type { Heartbeat, HeartbeatSignal } from '../ports/heartbeat.js';
import { call } from './alerting/call.js';
import { withRetry, type RetryPolicy } from './retry.js';

export interface HeartbeatOptions {
  /** `HEARTBEAT_URL`; null when nobody listens. */
  readonly url: string | null;
  readonly clock: Clock;
  /** Default: two tries. */
  readonly retry?: RetryPolicy;
}

const RETRY: RetryPolicy = { attempts: 2, baseMs: 500, capMs: 2_000 };
const PATHS: Readonly<Record<HeartbeatSignal, string>> = { start: '/start', success: '', fail: '/fail' };

/** Pings as healthchecks.io takes them: GET of the address for success, with `/start` or `/fail` behind its path else. */
export function httpHeartbeat({ url, clock, retry = RETRY }: HeartbeatOptions): Heartbeat {
  return {
    async ping(signal) {
      if (url === null) return;
      const target = new URL(url);
      target.pathname = target.pathname.replace(/\/+$/, '') + PATHS[signal];
      await withRetry(clock, () => call('The heartbeat', 'HEARTBEAT_URL', target.href, { method: 'GET' }), retry);
    },
  };
}
