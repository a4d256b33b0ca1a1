import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ageSealer } from '../../../lib/adapters/age-sealer.js';
import { systemClock } from '../../../lib/adapters/clock.js';
import { ed25519Signer } from '../../../lib/adapters/ed25519-signer.js';
import { silentLog } from '../../../lib/adapters/json-log.js';
import { soulcasterBackend } from '../../../lib/adapters/soulcaster-backend.js';
import { upstashRedis } from '../../../lib/adapters/upstash-redis.js';
import { functionDeadline, type FullApp } from '../../../lib/app.js';
import { judgingOf } from '../../../lib/guard-app.js';
import { afterRun } from '../../../lib/guard/watch.js';
import { cronBackup } from '../../../lib/http/backup.js';
import { cronGuard } from '../../../lib/http/guard.js';
import { startUpstashRedis } from '../../../lib/local/upstash-redis/index.js';
import type { ObjectStore } from '../../../lib/ports/store.js';
import { drillRun } from '../../../lib/restore/drill/run.js';
import { announcing } from '../../../lib/runs/announce.js';
import { createEngine } from '../../../lib/runs/engine.js';
import { recentRuns } from '../../../lib/runs/recent.js';
import { snapshotRun } from '../../../lib/snapshot/run.js';
import { DEFAULT_SNAPSHOT_SETTINGS } from '../../../lib/snapshot/settings.js';
import { verifyRun } from '../../../lib/snapshot/verify.js';
import { folderStore, type FolderStore } from '../../support/folder-store.js';
import { startTestDatabase, type TestDatabase } from '../../support/test-database.js';
import { worldClock, type WorldClock } from './clock.js';
import { mortalStore, newLife, weatheredRedis, type Life, type Weather } from './process.js';
import { worldQueue, type WorldQueue } from './queue.js';
import { startReceiver, type Receiver } from './receiver.js';

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
const LIMIT_SECONDS = 300;
const ROOT = resolve(import.meta.dirname, '../../..');
const ACTIONS = { '/api/cron/backup': cronBackup, '/api/cron/guard': cronGuard } as const;
type Path = keyof typeof ACTIONS;

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

export async function openWorld(keys = 300): Promise<World> {
  const clock = worldClock(Date.parse('2090-01-01T01:00:00Z'));
  const [database, scratch, folder] = await Promise.all([
    startTestDatabase(),
    startTestDatabase(),
    folderStore({ ...clock, now: () => clock.true() }),
  ]);
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
  });
  const [redis, scratchRedis] = [server, scratchServer].map(({ url }) =>
    upstashRedis({ url, token: 'test', clock: systemClock() }),
  );
  if (redis === undefined || scratchRedis === undefined) throw new Error('no port');
  const queue = worldQueue(clock);
  const weather: Weather = { latencyMs: 0, error: null, deadly: false };
  const crons = cronsOf(join(ROOT, 'vercel.json'));
  let fired = clock.true();
  let isOver = false;

  const appOf = (life: Life): FullApp => {
    const own = weatheredRedis(redis, life, clock, weather);
    const store = withoutProbes(mortalStore(folder.store, life));
    const ports: FullApp['ports'] = {
      ...{ clock, queue, store, log: silentLog(), redis: own },
      redisOf: (target) => (target === null ? own : scratchRedis),
      sealer: ageSealer({ recipients: [], identity: null }),
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
    const times = { legTtlMs: 60_000, holdMs: 900_000 };
    const engine = announcing(createEngine(ports, definitions, times), clock, (run) =>
      afterRun(judgingOf({ ...process.env }, ports), run),
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
    everyHour: () => Promise.resolve(),
    fire: (path) =>
      invoke((app, budget) => ACTIONS[path](app, new Request(`http://localhost${path}`), budget)).catch(() => null),
    async pass(ms) {
      const end = clock.true() + ms;
      while (clock.true() < end) {
        // A test that took too long must not go on in the variables of the next one's world.
        if (isOver) throw new Error('this world is over');
        const now = clock.true();
        await clock.passUntil(Math.min(end, nextHour(now), Math.max(now, queue.nextAt() ?? end)));
        await deliver();
        // Slow work lets more than an hour pass at a time.
        for (let hour = nextHour(fired); hour <= clock.true(); hour = nextHour(hour)) {
          fired = hour;
          const due = crons.filter(({ hourOfDay }) => new Date(hour).getUTCHours() === hourOfDay);
          for (const { path } of due) {
            await Promise.all(Array.from({ length: world.calls(path, hour) }, () => world.fire(path)));
          }
          await world.everyHour();
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
      await Promise.all([server.stop(), scratchServer.stop(), receiver.stop()]);
      await Promise.all([database.stop(), scratch.stop(), folder.remove()]);
    },
  };
  return world;
}

function nextHour(time: number): number {
  return Math.floor(time / HOUR) * HOUR + HOUR;
}

/** The crons of vercel.json, which fire once a day on the hour. */
function cronsOf(file: string): { readonly path: Path; readonly hourOfDay: number }[] {
  const { crons } = JSON.parse(readFileSync(file, 'utf8')) as { crons: { path: Path; schedule: string }[] };
  return crons.map(({ path, schedule }) => {
    const hour = /^0 (\d+) \* \* \*$/.exec(schedule)?.[1];
    if (hour === undefined || !(path in ACTIONS)) throw new Error(`a cron that is not known here: ${path} ${schedule}`);
    return { path, hourOfDay: Number(hour) };
  });
}
