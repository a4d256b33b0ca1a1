import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { commandLimiter } from '../../dev/upstash-redis/execute.js';
import { pacedRedis } from '../../lib/app/in-process.js';
import { AppError } from '../../lib/errors.js';
import type { Clock } from '../../lib/ports/clock.js';
import type { RedisCommand, RedisPort } from '../../lib/ports/redis.js';

const LIMIT = 10_000;
const LATENCY_MS = 5;
const SECONDS = 20;

describe('a share of the database', () => {
  it('leaves the rest to another client, and is fully used, whatever the sizes of the requests', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(sizes, async (batches) => {
        const { refused, taken } = await twoClients(batches, LIMIT / 2);
        expect(refused).toEqual({ ours: 0, theirs: 0 });
        const share = (LIMIT / 2) * SECONDS;
        // Four requests at a time, of one command each, are slower than the bound.
        const possible = Math.min(share, (Math.min(...batches) * 4 * 1000 * SECONDS) / LATENCY_MS);
        expect(taken).toBeGreaterThan(possible * 0.95);
        expect(taken).toBeLessThan(share + 1000);
      }),
      { numRuns: 20 },
    );
  });

  it('is necessary: without a limit the other client is refused', async () => {
    const { refused } = await twoClients([200], Infinity);
    expect(refused.theirs).toBeGreaterThan(100);
  });

  it('delays no request for long when the clock is set back or forward', async () => {
    const clock = simulatedClock();
    const sent: number[] = [];
    const port = fakePort(() => {
      sent.push(clock.elapsed());
      return Promise.resolve();
    });
    const redis = pacedRedis(port, clock, 1000);
    for (const shift of [0, -3_600_000, 0, 7_200_000, 0, 0]) {
      clock.shift(shift);
      const done = redis.pipeline(batch(100));
      await clock.run();
      await done;
    }
    const gaps = sent.slice(1).map((at, index) => at - (sent[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(100);
    // The catching up that a late request may do, once for each time that the clock was set.
    expect(sent.at(-1)).toBeGreaterThanOrEqual(500 - 3 * 100);
  });

  it('sends in order, passes replies and errors on, and does nothing without a limit', async () => {
    const clock = simulatedClock();
    const order: number[] = [];
    const port = fakePort((commands) => {
      order.push(commands.length);
      if (commands.length === 2) throw new AppError('redis-unavailable', 'gone', { hint: 'None.' });
      return Promise.resolve();
    });
    const redis = pacedRedis(port, clock, 1000);
    const all = Promise.allSettled([
      redis.transaction(batch(3)),
      redis.pipeline(batch(2)),
      redis.transaction(batch(1), 'wire'),
    ]);
    await clock.run();
    const [first, second, third] = await all;
    expect(order).toEqual([3, 2, 1]);
    expect(first).toMatchObject({ status: 'fulfilled', value: [{ value: null }, { value: null }, { value: null }] });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'redis-unavailable' } });
    expect(third).toMatchObject({ status: 'fulfilled', value: [{ value: null }] });
    expect(pacedRedis(port, clock, Infinity)).toBe(port);
  });
});

/** Ours sends requests of these sizes, four at a time, the other one 40 commands every 10 ms. */
async function twoClients(batches: readonly number[], bound: number) {
  const clock = simulatedClock();
  const mayRun = commandLimiter(LIMIT, () => clock.elapsed());
  const refused = { ours: 0, theirs: 0 };
  const isOver = (): boolean => clock.elapsed() >= SECONDS * 1000;
  let taken = 0;
  const port = fakePort(async (commands) => {
    if (isOver()) return;
    if (mayRun(commands.length)) taken += commands.length;
    else refused.ours += 1;
    await clock.sleep(LATENCY_MS);
  });
  const redis = pacedRedis(port, clock, bound);
  let next = 0;
  const reader = async (): Promise<void> => {
    while (!isOver()) await redis.pipeline(batch(batches[next++ % batches.length] ?? 1));
  };
  const other = async (): Promise<void> => {
    while (!isOver()) {
      if (!mayRun(40)) refused.theirs += 1;
      await clock.sleep(10);
    }
  };
  const all = Promise.all([reader(), reader(), reader(), reader(), other()]);
  await clock.run();
  await all;
  return { refused, taken };
}

function batch(commands: number): RedisCommand[] {
  return Array.from({ length: commands }, (): RedisCommand => ['PING']);
}

function fakePort(send: (commands: readonly RedisCommand[]) => Promise<void>): RedisPort {
  const run = async (commands: readonly RedisCommand[]) => {
    await send(commands);
    return commands.map(() => ({ value: null }));
  };
  return {
    host: 'db.example',
    pipeline: run,
    transaction: run,
    usage: () => ({ requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0 }),
  };
}

interface SimulatedClock extends Clock {
  /** Milliseconds that have passed, whatever the clock was set to. */
  elapsed(): number;
  shift(ms: number): void;
  /** Lets time pass from sleeper to sleeper, until nobody sleeps any more. */
  run(): Promise<void>;
}

/** Time passes only when everybody sleeps, so that nothing hangs on how fast the machine is. */
function simulatedClock(): SimulatedClock {
  let elapsed = 0;
  let set = Date.parse('2026-11-26T21:00:00Z');
  const sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  return {
    now: () => set + elapsed,
    elapsed: () => elapsed,
    shift(ms) {
      set += ms;
    },
    sleep: (ms) =>
      new Promise((wake) => {
        sleepers.push({ until: elapsed + ms, wake });
      }),
    async run() {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (sleepers.length === 0) return;
        const first = sleepers.reduce((a, b) => (b.until < a.until ? b : a));
        sleepers.splice(sleepers.indexOf(first), 1);
        elapsed = Math.max(elapsed, first.until);
        first.wake();
      }
    },
  };
}
