import type { Queue } from '../ports/queue.js';

/** A queue for one process: what is published waits here until the same process takes it. */
export interface InProcessQueue extends Queue {
  /** The body of the next message; null when none is left. */
  take(): string | null;
}

/** Delays, doubles and flow control mean nothing within one process that works off one message after another. */
export function inProcessQueue(): InProcessQueue {
  const bodies: string[] = [];
  return {
    publish(messages) {
      bodies.push(...messages.filter(({ delaySeconds }) => delaySeconds === 0).map(({ body }) => body));
      return Promise.resolve();
    },
    verify: () => Promise.resolve(false),
    health: () => Promise.resolve({ signingKeys: 'none' }),
    take: () => bodies.shift() ?? null,
  };
}
