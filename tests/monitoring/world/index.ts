import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ageEncryptor } from '../../../lib/crypto/age.js';
import { systemClock } from '../../../lib/services/clock.js';
import { ed25519Signer } from '../../../lib/crypto/ed25519.js';
import { silentLog } from '../../../lib/app/in-process.js';
import { soulcasterBackend } from '../../../lib/services/soulcaster-backend.js';
import { upstashRedis } from '../../../lib/services/upstash-redis/redis.js';
import { functionDeadline, type FullApp, notifyingEngine } from '../../../lib/app/app.js';
import { guardParts, evaluationContextOf } from '../../../lib/app/guard-app.js';
import { guard } from '../../../lib/monitoring/guard/run.js';
import type { Caller } from '../../../lib/monitoring/state.js';
import { afterRun } from '../../../lib/monitoring/evaluate.js';
import { cronBackup, cronGuard, scheduledGuard } from '../../../lib/http/crons.js';
import type { Action } from '../../../lib/http/entry.js';
import { startQstash, type Qstash } from '../../../dev/qstash/index.js';
import { startUpstashRedis } from '../../../dev/upstash-redis/index.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { drillRun } from '../../../lib/restore/drill/run.js';
import { createEngine } from '../../../lib/runs/engine.js';
import { recentRuns } from '../../../lib/runs/recent.js';
import { snapshotRun } from '../../../lib/snapshot/run.js';
import { DEFAULT_SNAPSHOT_SETTINGS } from '../../../lib/snapshot/settings.js';
import { verifyRun } from '../../../lib/snapshot/verify.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../../support/test-database.js';
import { memoryCopy } from '../../retention/prune/memory-store.js';
import {
  worldClock,
  type WorldClock,
  mortalStore,
  newLife,
  weatheredRedis,
  type Life,
  type Weather,
  worldQueue,
  type WorldQueue,
  startReceiver,
  type Receiver,
} from './parts.js';
import { cronsOf, dueBetween, HOUR, type Due, type Path, type Timetable } from './timetable.js';

export { DAY, HOUR } from './timetable.js';
const LIMIT_SECONDS = 300;
const ROOT = resolve(import.meta.dirname, '../../..');
const ACTIONS: Readonly<Record<Path, Action>> = {
  '/api/cron/backup': cronBackup,
  '/api/cron/guard': cronGuard,
  '/api/schedules/guard': scheduledGuard,
};
/** A turn that tries no service and prunes nothing: each would be a hundred requests. */
const untried =
  (caller: Caller): Action =>
  async (app, _request, budget) =>
    Response.json(
      await guard(
        { ...guardParts({ ...process.env }, app, caller), checks: [], upkeep: () => Promise.resolve({}) },
        budget,
      ),
    );

interface WorldOptions {
  readonly keys?: number;
  /** Whether there is a queue's service that keeps schedules, and calls the guard by the one that the guard made. */
  readonly schedules?: boolean;
  /** For hundreds of turns: nothing is tried or pruned, and objects are kept in memory. */
  readonly light?: boolean;
  /** Encrypts to this age recipient; nothing in the world has the identity. */
  readonly recipient?: string;
}

/** A world in which time is turned: crons, queue, database, store, and someone who takes alerts. */
export interface World {
  readonly clock: WorldClock;
  readonly queue: WorldQueue;
  readonly receiver: Receiver;
  readonly database: TestDatabase;
  readonly folder: FolderStore;
  readonly weather: Weather;
  /** How often a cron that is due is called; once unless told otherwise. */
  calls: (path: Path, time: number) => number;
  /** How late a cron comes on a day that begins then, in milliseconds; at once unless told otherwise. */
  delay: Timetable['delay'];
  /** Called every hour of the world's time. */
  everyHour: () => Promise<void>;
  /** Lets so much time pass, in which the crons of vercel.json fire and messages are delivered. */
  pass(ms: number): Promise<void>;
  /** Calls a function once, now. */
  fire(path: Path): Promise<Response | null>;
  /** How many runs of each kind there were. */
  kinds(): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** The guard's checks probe the folder through a store of their own, whose times are the machine's: prune would find them old. */
function withoutProbes(store: ObjectStore): ObjectStore {
  return {
    ...store,
    async *list(prefix) {
      if (prefix !== 'probe/') yield* store.list(prefix);
    },
  };
}

export async function openWorld({
  keys = 300,
  light = false,
  recipient,
  schedules = false,
}: WorldOptions = {}): Promise<World> {
  const clock = worldClock(Date.parse('2090-01-01T01:00:00Z'));
  const [database, scratch, onDisk] = await Promise.all([
    startTestDatabase(),
    startTestDatabase(),
    folderStore({ ...clock, now: () => clock.true() }),
  ]);
  const stamps = { now: () => clock.true() };
  const folder = light ? { ...onDisk, store: await memoryCopy(onDisk.store, stamps) } : onDisk;
  const server = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
  const scratchServer = await startUpstashRedis({ redisUrl: scratch.url, token: 'test' });
  const receiver = await startReceiver(() => clock.true());
  await database.redis.mset(Object.fromEntries(Array.from({ length: keys }, (_, n) => [`key:${n}`, `value ${n}`])));
  Object.assign(process.env, {
    UPSTASH_REDIS_REST_URL: server.url,
    UPSTASH_REDIS_REST_TOKEN: 'test',
    DRILL_REDIS_REST_URL: scratchServer.url,
    DRILL_REDIS_REST_TOKEN: 'test',
    BACKUP_STORE: pathToFileURL(folder.folder).href,
    ALERT_WEBHOOK_URL: receiver.alertUrl,
    HEARTBEAT_URL: receiver.heartbeatUrl,
    CRON_SECRET: 'a-secret-of-sixteen',
    BACKUP_AGE_RECIPIENTS: recipient ?? '',
  });
  const qstash = schedules ? await startQstash() : null;
  Object.assign(process.env, qstash === null ? NO_QUEUE : queueVariables(qstash));
  const [redis, scratchRedis] = [server, scratchServer].map(({ url }) =>
    upstashRedis({ url, token: 'test', clock: systemClock() }),
  );
  if (redis === undefined || scratchRedis === undefined) throw new Error('no port');
  const queue = worldQueue(clock);
  const weather: Weather = { latencyMs: 0, error: null, deadly: false };
  const crons = cronsOf(join(ROOT, 'vercel.json'));
  let fired = clock.true();
  let isOver = false;

  const actions: Readonly<Record<Path, Action>> = !light
    ? ACTIONS
    : { ...ACTIONS, '/api/cron/guard': untried('cron'), '/api/schedules/guard': untried('schedule') };
  /** As the stand-in has it now: the guard makes the schedule. */
  const scheduled = (): number | null => {
    const [schedule] = qstash?.schedules() ?? [];
    const minute = /^(\d+) \* \* \* \*$/.exec(String(schedule?.['cron']))?.[1];
    return minute === undefined || schedule?.['isPaused'] === true ? null : Number(minute);
  };
  const dueUntil = (until: number): Due[] => {
    const delay = (path: Path, day: number): number => world.delay(path, day);
    return dueBetween(crons, { delay, scheduled }, fired, until);
  };

  const appOf = (life: Life): FullApp => {
    const own = weatheredRedis(redis, life, clock, weather);
    const store = withoutProbes(mortalStore(folder.store, life));
    const ports: FullApp['ports'] = {
      ...{ clock, queue, store, log: silentLog(), redis: own },
      redisOf: (target) => (target === null ? own : scratchRedis),
      targetNames: () => [],
      encryptor: ageEncryptor({ recipients: recipient === undefined ? [] : [recipient], identity: null }),
      signer: ed25519Signer({ privateKey: null, publicKey: null }),
      backend: soulcasterBackend({ url: null, clock }),
      reindex: () => Promise.resolve({ state: 'not-configured', run: null }),
    };
    const settings = { ...DEFAULT_SNAPSHOT_SETTINGS, tool: 'test' };
    const restoring = { inFlight: 3, inline: 2, parallelism: 4, safety: settings };
    const definitions = [
      snapshotRun(ports, settings),
      verifyRun(ports),
      drillRun({ ...ports, hasScratch: true }, restoring),
    ];
    const times = { attemptTtlMs: 60_000, holdMs: 900_000 };
    const engine = notifyingEngine(createEngine(ports, definitions, times), clock, (run) =>
      afterRun(evaluationContextOf({ ...process.env }, ports), run),
    );
    const limits = { FUNCTION_LIMIT_SECONDS: LIMIT_SECONDS } as FullApp['limits'];
    return { ports, engine, limits, queued: true, times, work: (id, budget) => engine.work(id, budget), reindex: null };
  };
  const invoke = async <T>(
    work: (app: FullApp, budget: Parameters<FullApp['work']>[1]) => Promise<T>,
  ): Promise<T | null> => {
    const life = newLife();
    const deadline = functionDeadline(clock.now(), LIMIT_SECONDS);
    const budget = { deadline, lastAttempt: false, interrupt: new AbortController().signal };
    return Promise.race([work(appOf(life), budget), life.death.then(() => null)]);
  };
  const deliver = (): Promise<void> =>
    queue.deliver(
      async (body) => (await invoke((app, budget) => app.engine.deliver(body, budget)).catch(() => null)) !== null,
    );

  const world: World = {
    ...{ clock, queue, receiver, database, folder, weather },
    calls: () => 1,
    delay: () => 0,
    everyHour: () => Promise.resolve(),
    fire: (path) =>
      invoke((app, budget) =>
        actions[path](
          app,
          new Request(`http://localhost${path}`, POSTED.has(path) ? { method: 'POST', body: '{}' } : {}),
          budget,
        ),
      ).catch(() => null),
    async pass(ms) {
      const end = clock.true() + ms;
      while (clock.true() < end) {
        // A test that took too long must not go on in the variables of the next one's world.
        if (isOver) throw new Error('this world is over');
        const now = clock.true();
        const next = dueUntil(now + HOUR)[0]?.at ?? end;
        await clock.passUntil(Math.min(end, Math.max(now, next), Math.max(now, queue.nextAt() ?? end)));
        await deliver();
        // Slow work lets more than an hour pass at a time.
        for (let due = dueUntil(clock.true()); due[0] !== undefined; due = dueUntil(clock.true())) {
          const { at, path } = due[0];
          fired = path === null ? at + 0.5 : at;
          // Slow work held up functions that were due by now: in truth they were called at their time, before this is seen.
          const heldUp = due.some((later) => later.path !== null);
          if (path === null) await (heldUp ? undefined : world.everyHour());
          else await Promise.all(Array.from({ length: world.calls(path, at) }, () => world.fire(path)));
        }
      }
    },
    async kinds() {
      const kinds: Record<string, number> = {};
      for (const { kind } of await recentRuns(folder.store, { since: 0, limit: 10_000 }))
        kinds[kind] = (kinds[kind] ?? 0) + 1;
      return kinds;
    },
    async stop() {
      isOver = true;
      await Promise.all([server.stop(), scratchServer.stop(), receiver.stop(), qstash?.stop()]);
      await Promise.all([database.stop(), scratch.stop(), folder.remove()]);
    },
  };
  return world;
}

const POSTED: ReadonlySet<string> = new Set<Path>(['/api/schedules/guard']);
const NO_QUEUE = { QSTASH_TOKEN: '', PUBLIC_URL: '' };

function queueVariables({ currentSigningKey, nextSigningKey, token, url }: Qstash): Record<string, string> {
  return {
    QSTASH_URL: url,
    QSTASH_TOKEN: token,
    QSTASH_CURRENT_SIGNING_KEY: currentSigningKey,
    QSTASH_NEXT_SIGNING_KEY: nextSigningKey,
    PUBLIC_URL: 'https://backup.example',
  };
}
