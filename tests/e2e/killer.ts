import type { Stack } from '../../dev/stack/index.js';

/** Kills functions at points of their work, so that no machine is too fast or too slow for it. */
export interface Killer {
  /** For the stand-in of Redis: each request of a function is a point at which it may die. */
  readonly onRequest: () => Promise<void>;
  /** The messages whose function died, in the order of their deaths: the body of each. */
  readonly deaths: () => string[];
}

export interface KillerOptions {
  readonly stack: () => Stack;
  /** How many requests from now on the functions die; null to let them live, and to be called again at the next one. */
  readonly after: () => number | null;
}

/**
 * All functions die together at a request that is on its way: it is served, and nobody reads the reply. The next volley
 * waits until every message of the last one has come through, for one that fails again would wait for minutes.
 */
export function killer({ stack, after }: KillerOptions): Killer {
  let left: number | null = null;
  const died = () => stack().queue.deliveries.filter(({ status }) => status === 502);
  const allThrough = (): boolean => {
    const last = new Map(stack().queue.deliveries.map(({ messageId, status }) => [messageId, status]));
    return ![...last.values()].includes(502);
  };
  return {
    deaths: () => died().map(({ body }) => body),
    async onRequest() {
      left ??= allThrough() ? after() : null;
      if (left === null || --left > 0) return;
      left = null;
      await stack().functions.killAll();
    },
  };
}
