import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { StackOptions } from '../../dev/stack/index.js';
import type { Dump } from '../support/dumps.js';
import { batch } from '../support/redis-calls.js';
import type { RunView } from './nightly-stack.js';
import { killer } from './killer.js';
import { restoreStack, type RestoreStack } from './restore-stack.js';
import { commandsOf, look, watchKeys, type Marked } from './restore-watch.js';
import { cases } from '../support/fast-check.js';

const SIZE = { items: 25, mixed: 100 };
/**
 * Small parts, short attempts and a short lease, so that little data goes through many attempts and a dead one is soon given up.
 * Attempts that are shorter than the start of a function on a busy machine would never get further.
 */
const SMALL = { BACKUP_PART_MIB: '0.1', RUN_LEASE_SECONDS: '1', FUNCTION_LIMIT_SECONDS: '3' };
/** A function may have to outwait the folder store's lock that a dead one held: 4 seconds. */
const LIMIT_SECONDS = 30;
/** The queue's waits are divided by this: a message whose function died comes again after 4 seconds. */
const SPEED = 24;

/** This many functions are to die while a run is in each of these phases. */
const KILLS: Readonly<Record<string, number>> = { check: 1, plan: 1, 'safety-check': 1, write: 3, prove: 1 };
const LEAST_KILLS = cases(10);
/** Restores after which that must have come about. */
const MOST_RESTORES = 10;
/** Functions die at one of their first requests to Redis. */
const MOST_REQUESTS = 6;

type Kind = Marked['type'];
type Pair = readonly [saved: Marked | null, found: Marked | null];

const KINDS: readonly Kind[] = ['string', 'hash', 'list', 'set', 'zset', 'stream'];
/** This many elements are read in several pages and written under a staged name. */
const BIG = 1500;
const FAR = 4_102_444_800_000;

const marked = (key: string, type: Kind, elements: number, mark: string, expiresAt = -1): Marked => ({
  key,
  type,
  elements,
  mark,
  expiresAt,
});

/** Keys as the snapshot has them and as a restore finds them. */
const PAIRS: readonly Pair[] = [
  ...KINDS.map((type): Pair => [
    marked(`small:${type}`, type, 20, 'saved'),
    marked(`small:${type}`, type, 33, 'found', FAR),
  ]),
  ...KINDS.map((type): Pair => [
    marked(`big:${type}`, type, BIG, 'saved', FAR),
    marked(`big:${type}`, type, 7, 'found'),
  ]),
  [marked('shrunk', 'hash', 5, 'saved'), marked('shrunk', 'hash', BIG, 'found')],
  [marked('turned', 'hash', BIG, 'saved'), marked('turned', 'list', 12, 'found')],
  [marked('gone', 'set', BIG, 'saved'), null],
  [null, marked('stray', 'hash', 300, 'found')],
];
const WATCHED = PAIRS.map(([saved, found]) => (saved ?? found)?.key ?? '');

let bench: RestoreStack;

afterEach(() => bench.stop());

/** A stack with a snapshot, and a database that has gone wrong in every way since. */
async function harmedStack(options: Omit<StackOptions, 'root'>): Promise<{ snapshot: string; saved: Dump }> {
  bench = await restoreStack(SIZE, { variables: SMALL, limitSeconds: LIMIT_SECONDS, ...options });
  const { redis, projects } = bench;
  const write = (side: 0 | 1): Promise<unknown> =>
    batch(
      redis,
      PAIRS.flatMap(({ [side]: marked }, at) => (marked === null ? [['DEL', WATCHED[at] ?? '']] : commandsOf(marked))),
    );
  await write(0);
  const snapshot = await bench.snapshot();
  const saved = await bench.dump();
  await write(1);
  await redis.del(...(projects[0]?.keys ?? []), ...(projects[2]?.keys ?? []));
  for (const key of projects[1]?.keys.slice(0, 80) ?? []) await redis.rename(key, `${key}:moved`);
  return { snapshot, saved };
}

/** Restores everything while the marked keys are watched: each must go from one whole value to the other, once. */
async function restoreWatched(
  snapshot: string,
  from: 'saved' | 'found',
  begun: (run: string) => void = () => undefined,
): Promise<RunView> {
  const body = { snapshot, scope: { all: true }, confirm: snapshot, settle: false };
  const { done, looks } = await watchKeys(bench.stack.urls.redis, WATCHED, async () => {
    const run = await bench.begin(body);
    begun(run);
    return bench.finished(run);
  });
  expect(done).toMatchObject({
    state: 'succeeded',
    error: null,
    result: { proof: { total: { kept: 0, missing: 0, different: 0 } } },
  });
  const wanted = PAIRS.map(([saved, found], at) => {
    const ways = [look(saved), look(found)];
    return [WATCHED[at], from === 'saved' ? ways : ways.reverse()];
  });
  expect(looks).toEqual(Object.fromEntries(wanted));
  return done;
}

/** Kills the functions of a run that it follows, in each of the phases of KILLS. */
function phaseKiller() {
  let run = '';
  const phaseNow = (): string => {
    const name = join(fileURLToPath(bench.stack.env['BACKUP_STORE'] ?? ''), 'runs', run, 'run.json');
    return (JSON.parse(readFileSync(name, 'utf8')) as { phase: string }).phase;
  };
  const died = (): string[] =>
    killing
      .deaths()
      .filter((body) => run !== '' && body.includes(run))
      .map((body) => (JSON.parse(body) as { phase?: string }).phase ?? 'attempt');
  const killing = killer({
    stack: () => bench.stack,
    after: () => {
      if (run === '') return null;
      const phase = phaseNow();
      const left = (KILLS[phase] ?? 0) - died().filter((one) => one === phase).length;
      return left > 0 ? 1 + Math.floor(Math.random() * MOST_REQUESTS) : null;
    },
  });
  return { follow: (id: string) => void (run = id), died, onRequest: killing.onRequest };
}

describe('a restore over many attempts and tasks', () => {
  it('reaches its end, and so does its undoing, when functions are killed again and again', async () => {
    const killing = phaseKiller();
    const { snapshot, saved } = await harmedStack({
      queue: { speed: SPEED, retryAfterSpeed: 1 },
      redis: { onRequest: killing.onRequest },
    });
    const found = await bench.dump();
    const kills: string[] = [];
    let before = snapshot;
    const areEnough = (): boolean => kills.length >= LEAST_KILLS && kills.includes('write');
    // One restore and its undoing at least.
    for (let count = 0; count < MOST_RESTORES && !(count >= 2 && areEnough()); count++) {
      const isUndo = count % 2 === 1;
      const run = await restoreWatched(isUndo ? before : snapshot, isUndo ? 'saved' : 'found', killing.follow);
      kills.push(...killing.died());
      expect(await bench.dump()).toEqual(isUndo ? found : saved);
      expect(await bench.leftovers(run.runId)).toEqual([]);
      before = run.runId;
    }
    expect(kills.length).toBeGreaterThanOrEqual(LEAST_KILLS);
    expect(kills).toContain('write');
  });

  it('does not mind messages that come twice, in disorder and late', async () => {
    const faults = { twice: 'together', order: 'random', holdMs: 150, delayMs: 200 } as const;
    const { snapshot, saved } = await harmedStack({ queue: { faults } });
    const run = await restoreWatched(snapshot, 'found');
    await bench.stack.queue.idle();
    expect(bench.stack.queue.deliveries.some(({ duplicate }) => duplicate)).toBe(true);
    expect(await bench.finished(run.runId)).toEqual(run);
    expect(await bench.dump()).toEqual(saved);
    expect(await bench.leftovers(run.runId)).toEqual([]);
  });
});
