import { Client, QstashError } from '@upstash/qstash';
import type { Clock } from '../../ports/clock.js';
import type { Schedules } from '../../ports/queue.js';
import { toQueueError, withinTime } from './failures.js';
import { DEFAULT_RETRY, withRetry, type RetryPolicy } from '../retry.js';
import { dropVendorLines } from '../vendor-lines.js';

interface QstashSchedulesOptions {
  /** Address of the service; default the vendor's. */
  readonly url?: string;
  readonly token: string;
  readonly clock: Clock;
  readonly retry?: RetryPolicy;
  /** After how many milliseconds a call to the service counts as failed; default 15,000. */
  readonly timeoutMs?: number;
}

/** The delivered body; the signature covers it. */
const BODY = '{}';
/** A failed delivery is repeated once; the schedule brings the next one. Each attempt counts as a message of the plan's day. */
const RETRIES = 1;

/** Schedules of Upstash QStash (https://upstash.com/docs/qstash/features/schedules). */
export function qstashSchedules(options: QstashSchedulesOptions): Schedules {
  const { clock, token } = options;
  dropVendorLines();
  const client = new Client({
    baseUrl: options.url ?? 'https://qstash.upstash.io',
    token,
    devMode: false,
    enableTelemetry: false,
    retry: false,
  });
  const call = <T>(work: () => Promise<T>): Promise<T> =>
    withRetry(
      clock,
      () =>
        withinTime(work(), options.timeoutMs ?? 15_000).catch((error: unknown) => {
          throw toQueueError(error, clock);
        }),
      options.retry ?? DEFAULT_RETRY,
    );
  return {
    async find(id) {
      const found = await call(() => client.schedules.get(id).catch(nullWhenAbsent));
      if (found === null) return null;
      return { id: found.scheduleId, destination: found.destination, cron: found.cron, paused: found.isPaused };
    },

    async put({ cron, destination, id }) {
      await call(() =>
        client.schedules.create({ destination, cron, scheduleId: id, method: 'POST', body: BODY, retries: RETRIES }),
      );
    },
  };
}

function nullWhenAbsent(error: unknown): null {
  if (error instanceof QstashError && error.status === 404) return null;
  throw error;
}
