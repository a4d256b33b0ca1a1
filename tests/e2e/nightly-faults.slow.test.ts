import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { killer } from './killer.js';
import { nightlyStack, SAME, type NightlyStack, type RunView } from './nightly-stack.js';
import { cases } from '../support/fast-check.js';

const SIZE = { items: 500, mixed: 1000 };
/** Small parts and a short lease, so that little data goes through many attempts and a dead one is soon given up. */
const SMALL = { BACKUP_PART_MIB: '0.25', RUN_LEASE_SECONDS: '1' };
/** Functions that believe in a limit of two seconds, and are not killed for being late on a busy machine. */
const CUT = { variables: { ...SMALL, FUNCTION_LIMIT_SECONDS: '2' }, limitSeconds: 30 };
/** The queue's waits are divided by this: a message whose function died comes again after 4 seconds. */
const SPEED = 24;
const KILLS = cases(10);
/** A function dies at one of its first requests to Redis. */
const MOST_REQUESTS = 12;

let nightly: NightlyStack;

afterEach(() => nightly.stack.stop());

/** Fires the cron and follows its run to the end, however it continues. */
async function run(): Promise<RunView> {
  const before = await runIds();
  for (;;) {
    const answer = await nightly.cron().catch(() => null);
    const isJson = answer?.headers.get('content-type')?.includes('json') === true;
    const id = isJson ? ((await answer.json()) as RunView).runId : await newRun(before);
    // Killed before it had begun a run, a cron is as one that was never fired.
    if (id !== null) return nightly.finished(id);
  }
}

/** The run of a cron whose function was killed before it could answer, if it had begun one. */
async function newRun(before: readonly string[]): Promise<string | null> {
  return (await runIds()).find((id) => !before.includes(id)) ?? null;
}

async function runIds(): Promise<string[]> {
  return readdir(join(fileURLToPath(nightly.stack.env['BACKUP_STORE'] ?? ''), 'runs')).catch(() => []);
}

describe('a snapshot over many attempts', () => {
  it('has the same result as one in a single attempt', async () => {
    nightly = await nightlyStack(SIZE, { variables: SMALL });
    const whole = await run();
    await nightly.stack.stop();
    expect(whole).toMatchObject({ state: 'succeeded' });
    nightly = await nightlyStack(SIZE, CUT);
    const cut = await run();
    expect(cut).toMatchObject({ state: 'succeeded' });
    expect(cut.attempts).toBeGreaterThan(whole.attempts);
    expect(cut.result?.['keys']).toBe(whole.result?.['keys']);
    expect(await nightly.compare(cut.runId)).toMatchObject({ ...SAME, keys: cut.result?.['keys'] });
  });

  it('loses and doubles nothing when its function is killed again and again', async () => {
    const isOver = (): boolean => killing.deaths().length >= KILLS;
    const killing = killer({
      stack: () => nightly.stack,
      after: () => (isOver() ? null : 1 + Math.floor(Math.random() * MOST_REQUESTS)),
    });
    nightly = await nightlyStack(SIZE, {
      ...CUT,
      queue: { speed: SPEED, retryAfterSpeed: 1 },
      redis: { onRequest: killing.onRequest },
    });
    while (!isOver()) {
      const end = await run();
      expect(end).toMatchObject({ state: 'succeeded', error: null });
      expect(await nightly.compare(end.runId)).toMatchObject({ ...SAME, keys: end.result?.['keys'] });
      // Whoever died after the run's end comes again first: until then nobody else dies, and a further run would do nothing here.
      await nightly.stack.queue.idle();
    }
  });

  it('does not mind messages that come twice, in disorder and late', async () => {
    const faults = { twice: 'after', order: 'random', holdMs: 300, delayMs: 1500 } as const;
    nightly = await nightlyStack(SIZE, { ...CUT, queue: { faults } });
    const end = await run();
    expect(end).toMatchObject({ state: 'succeeded', error: null });
    await nightly.stack.queue.idle();
    expect(nightly.stack.queue.deliveries.length).toBeGreaterThan(end.attempts);
    expect(await nightly.finished(end.runId)).toEqual(end);
    expect(await nightly.compare(end.runId)).toMatchObject({ ...SAME, keys: end.result?.['keys'] });
  });
});
