import { fullApp } from '../../lib/app/app.js';
import { connect } from '../../lib/app/connect.js';
import { connectPlainStore } from '../../lib/app/connect/stores.js';
import { protectedDatabase } from '../../lib/app/connect/database.js';
import { loadConfig } from '../../lib/app/config.js';
import { runEnvironment } from '../../lib/cli/carry-out.js';
import { backup } from '../../lib/cli/backup.js';
import type { Context } from '../../lib/cli/context.js';
import { listSnapshots } from '../../lib/cli/list.js';
import { forget } from '../../lib/cli/snapshots.js';
import { changeState, type Callers } from '../../lib/monitoring/state.js';
import { partName, manifestName } from '../../lib/snapshot/names.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { fireSchedulers, type Incident } from './scene.js';

const HOUR_MS = 3_600_000;
/** Age of the newest snapshot after a missed night. */
const MISSED_MS = 30 * HOUR_MS;

/** Ids of the snapshots that `list` shows, newest first. */
async function listSnapshotIds(context: Context): Promise<string[]> {
  const documents: unknown[] = [];
  await listSnapshots({ ...context, document: (value) => void documents.push(value) }, { limit: 200 });
  return (documents[0] as { snapshots: { id: string }[] }).snapshots.map(({ id }) => id);
}

/** Incidents with schedulers, runs and snapshots. */
export const SCHEDULE_INCIDENTS: readonly Incident[] = [
  {
    name: 'missed-night',
    title: 'no backup was taken for 30 hours',
    section: 'A night was missed',
    sees: 'The alert rpo-breached; /api/status answers 503; the uptime monitor rings.',
    async begin({ context }) {
      const operator = await context();
      for (const id of await listSnapshotIds(operator)) {
        await forget(operator, id, { reason: 'the rehearsal of a missed night', force: true });
      }
      const { clock } = connect(operator.env, ['clock']);
      const then = { ...clock, now: () => clock.now() - MISSED_MS };
      const app = fullApp(runEnvironment(operator.env, true), { log: operator.log, clock: then });
      const started = await startSnapshot(app.engine, 'cron');
      if (!started.started) throw new TypeError(`held by ${started.holder}`);
      const budget = { deadline: Number.POSITIVE_INFINITY, lastAttempt: true, interrupt: operator.interrupt };
      await app.work(started.run.id, budget);
      return {};
    },
  },
  {
    name: 'guard-silent',
    title: 'nothing has called the guard for 30 hours: the cron is off, and the schedule was removed',
    section: 'Nothing calls the guard',
    sees: 'The watchdog of HEARTBEAT_URL raises the alarm; status: not watched; the alert guard-silent.',
    async begin(scene) {
      const { env } = await scene.context();
      const lastAt = new Date(Date.now() - MISSED_MS).toISOString();
      await changeState(connect(env, ['store']).store, protectedDatabase(env).source, (state) => {
        const callers = Object.fromEntries(
          Object.entries(state.callers).map(([name, heard]) => [name, heard === null ? null : { ...heard, lastAt }]),
        ) as Callers;
        return { ...state, callers, lastRunAt: lastAt };
      });
      for (const { scheduleId } of scene.stack.queue.schedules()) {
        const headers = { authorization: `Bearer ${env['QSTASH_TOKEN'] ?? ''}` };
        await fetch(`${env['QSTASH_URL'] ?? ''}/v2/schedules/${String(scheduleId)}`, { method: 'DELETE', headers });
      }
      return {
        mend: { words: 'the hour and 14:00 UTC have come: both schedulers call', end: () => fireSchedulers(scene) },
      };
    },
  },
  {
    name: 'run-in-the-way',
    title: 'a backup was begun whose process is gone, and the next one is refused',
    section: 'A run stands in the way',
    sees: 'A backup ends with exit code 11: another run has the lease.',
    async begin({ context }) {
      const operator = await context();
      const app = fullApp(operator.env, { log: operator.log });
      const started = await startSnapshot(app.engine, 'cron');
      return { variables: { RUN: started.started ? started.run.id : started.holder } };
    },
  },
  {
    name: 'snapshot-damaged',
    title: 'a part of the newest snapshot was altered in the store',
    section: 'A snapshot is damaged',
    sees: 'Nothing, until it is verified: then verify names the part, and the alert snapshot-damaged opens.',
    async begin({ context }) {
      const operator = await context();
      await backup(operator, { local: true });
      const [id = ''] = await listSnapshotIds(operator);
      const { store } = connect(operator.env, ['store']);
      const manifest = (await loadManifest(store, id))?.manifest;
      const name = partName(id, manifest?.parts[0]?.name ?? '');
      const plain = connectPlainStore(loadConfig(operator.env, ['store']).store);
      const found = await plain.read(name);
      if (found === null) throw new TypeError(`${name} is not there`);
      const altered = Buffer.from(found.body);
      altered[altered.length >> 1] = (altered[altered.length >> 1] ?? 0) ^ 0xff;
      await plain.swap(name, altered, found.etag);
      return { variables: { SNAPSHOT: id } };
    },
  },
  {
    name: 'bucket-compromised',
    title: 'somebody who writes to the bucket removed a manifest',
    section: 'Somebody else writes to the bucket',
    sees: 'The alert chain-broken, from the next turn of the guard on.',
    async begin({ context }) {
      const operator = await context();
      await backup(operator, { local: true });
      const [, before = ''] = await listSnapshotIds(operator);
      const plain = connectPlainStore(loadConfig(operator.env, ['store']).store);
      const kept = await plain.read(manifestName(before));
      await plain.remove(manifestName(before));
      return {
        variables: { SNAPSHOT: before },
        mend: {
          words: 'the version of the manifest that was there before is back',
          async end() {
            if (kept !== null) await plain.create(manifestName(before), kept.body);
          },
        },
      };
    },
  },
];
