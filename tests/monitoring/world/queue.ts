import { AppError } from '../../../lib/errors.js';
import type { Queue } from '../../../lib/ports/queue.js';
import type { WorldClock } from './clock.js';

/** Of QStash: messages with one id within the window are one; the waits before the second, third and fourth try. */
const WINDOW_MS = 10 * 60_000;
const RETRY_MS = [12_000, 148_000, 1_800_000];

interface Waiting {
  readonly body: string;
  readonly at: number;
  readonly tries: number;
}

/** A queue in the world's time. */
export interface WorldQueue extends Queue {
  /** Everything that is published or waits from now on is lost. */
  losing: boolean;
  /** Nothing can be published. */
  refusing: boolean;
  /** When the next message is due; null for none. */
  nextAt(): number | null;
  /** Hands over what is due; a delivery that returns false comes again later, three times. */
  deliver(to: (body: string) => Promise<boolean>): Promise<void>;
}

export function worldQueue(clock: WorldClock): WorldQueue {
  let waiting: Waiting[] = [];
  const seen = new Map<string, number>();
  const queue: WorldQueue = {
    losing: false,
    refusing: false,
    publish(messages) {
      if (queue.refusing) {
        return Promise.reject(
          new AppError('queue-unavailable', 'The queue is down', { hint: 'Wait.', transient: true }),
        );
      }
      const now = clock.true();
      for (const { body, deduplicationId, delaySeconds } of messages) {
        const double = now - (seen.get(deduplicationId) ?? Number.NEGATIVE_INFINITY) < WINDOW_MS;
        if (!double && !queue.losing) waiting.push({ body, at: now + delaySeconds * 1000, tries: 0 });
        seen.set(deduplicationId, now);
      }
      return Promise.resolve();
    },
    verify: () => Promise.resolve(true),
    health: () => Promise.resolve({ signingKeys: 'same' }),
    nextAt: () => (waiting.length === 0 ? null : Math.min(...waiting.map(({ at }) => at))),
    async deliver(to) {
      if (queue.losing) waiting = [];
      const due = waiting.filter(({ at }) => at <= clock.true());
      waiting = waiting.filter(({ at }) => at > clock.true());
      for (const message of due) {
        const wait = RETRY_MS[message.tries];
        if ((await to(message.body)) || wait === undefined) continue;
        waiting.push({ ...message, at: clock.true() + wait, tries: message.tries + 1 });
      }
    },
  };
  return queue;
}
