import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pMap from 'p-map';
import { ed25519Signer, generateSigningKey } from '../../lib/crypto/ed25519.js';
import { silentLog } from '../../lib/app/in-process.js';
import { authenticatedStore } from '../../lib/control/authenticated-store.js';
import { AppError } from '../../lib/errors.js';
import { protectedDatabase } from '../../lib/app/connect/database.js';
import { markStateOutdated } from '../../lib/monitoring/status/public-state.js';
import type { StatusReport } from '../../lib/monitoring/status/report.js';
import { changeState } from '../../lib/monitoring/state.js';
import { rememberingStore, type Memory } from '../../lib/http/remembering-store.js';
import { showSnapshots } from '../../lib/http/snapshots.js';
import { showStatus } from '../../lib/http/status.js';
import { encodeJson } from '../../lib/json.js';
import type { ObjectStore } from '../../lib/ports/index.js';
import { writeDrill } from '../../lib/restore/drill/record.js';
import { writeMarker } from '../../lib/runs/markers.js';
import { newId } from '../../lib/runs/ids.js';
import { createRun, newRecord } from '../../lib/runs/records.js';
import { adoptSource } from '../../lib/snapshot/source.js';
import { refreshCatalog } from '../../lib/snapshot/catalog-object.js';
import { sha256 } from '../../lib/snapshot/manifest.js';
import { addMark } from '../../lib/snapshot/unfinished-marks.js';
import { EVERY } from '../../page/state/feed.js';
import { countingStore, type CountingStore } from '../support/counting-store.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot } from '../support/made-snapshots.js';

const SNAPSHOTS = 200;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How long the page is left open here: as long as it takes for every call to be made again. */
const MINUTES = 30;
const TOKEN = 'an-admin-token-of-32-characters-1';
const signer = ed25519Signer({ privateKey: generateSigningKey().privateKey, publicKey: null });

describe('the cost of the status', () => {
  let folder: FolderStore;
  let counted: CountingStore;
  let now = Date.parse('2026-11-20T10:00:00Z');
  let memory: Memory = new Map();
  /** What the store is told before each read; it may refuse. */
  let before: () => void = () => undefined;
  const saved = { ...process.env };

  beforeAll(async () => {
    Object.assign(process.env, { ADMIN_TOKEN: TOKEN, UPSTASH_REDIS_REST_URL: 'https://host' });
    folder = await folderStore();
    counted = countingStore({ ...folder.store, read: (name) => (before(), folder.store.read(name)) });
    const store = authenticatedStore(folder.store, signer, silentLog());
    const hours = Array.from({ length: SNAPSHOTS }, (_, at) => now - (SNAPSHOTS - at) * 6 * HOUR_MS);
    const of = { signer, source: sha256('host'), previous: null };
    await pMap(hours, (at) => makeSnapshot(store, { at: new Date(at).toISOString(), ...of }), { concurrency: 8 });
    await pMap(hours.slice(-60), (at) => run(store, at), { concurrency: 8 });
    await pMap(hours.slice(-12), (at) => drill(store, at), { concurrency: 8 });
    for (const name of ['database', 'verify', 'prune', 'drill', 'replicate'])
      await store.create(
        `leases/${name}.json`,
        encodeJson({ holder: null, leg: 0, fence: 7, legTtlMs: 0, holdMs: 0, beat: '' }),
      );
    await adoptSource(store, sha256('host'), { source: sha256('former'), reason: 'moved', at: '2026-11-01T00:00:00Z' });
    await addMark(store, sha256('host'), {
      run: 'x',
      scope: { all: true },
      since: '2026-11-20T09:00:00Z',
      kind: 'restore',
    });
    await changeState(store, null, (state) => ({ ...state, lastRunAt: '2026-11-20T09:30:00Z', outcome: 'ok' }));
    await refreshCatalog({ store, signer });
  });
  afterAll(async () => {
    process.env = saved;
    await folder.remove();
  });

  function run(store: ObjectStore, at: number): Promise<unknown> {
    const definition = { kind: 'snapshot', lease: 'database', firstPhase: 'scan', words: {}, phases: {} } as const;
    const progress = { done: 4, total: 4, unit: 'keys', bytes: 9 } as const;
    const request = { kind: 'snapshot', input: { trigger: 'cron' }, checkpoint: null, progress } as const;
    const record = newRecord(newId(at), definition, request, 1, at);
    return createRun(store, { ...record, state: 'succeeded', finishedAt: new Date(at).toISOString() });
  }
  function drill(store: ObjectStore, at: number): Promise<void> {
    const [startedAt, finishedAt] = [at, at + 60_000].map((time) => new Date(time).toISOString());
    const rest = { reason: null, snapshot: null, keys: 4, milliseconds: 60_000 };
    return writeDrill(store, {
      id: newId(at),
      outcome: 'passed',
      startedAt: startedAt ?? '',
      finishedAt: finishedAt ?? '',
      ...rest,
    });
  }

  /** As each request has it: its own store, and what the function remembers. */
  function ports() {
    const clock = { now: () => now, sleep: () => Promise.resolve() };
    const log = silentLog();
    return { clock, log, signer, store: rememberingStore(authenticatedStore(counted.store, signer, log), memory) };
  }
  const admin = { headers: { authorization: `Bearer ${TOKEN}` } };
  const status = (init = {}) => showStatus(ports(), new Request('https://x/api/status', init));
  const snapshots = () => showSnapshots(ports(), new Request('https://x/api/snapshots?limit=200', admin));
  async function body(answer: Promise<Response>): Promise<Record<string, unknown>> {
    return (await (await answer).json()) as Record<string, unknown>;
  }

  it('is one read within a minute without a token, however many requests', async () => {
    const first = await body(status());
    expect(first).toEqual({ state: 'degraded', at: '2026-11-20T10:00:00.000Z', label: null });
    counted.reads();
    counted.writes();
    now += 59_000;
    for (let caller = 0; caller < 20; caller++) expect(await body(status())).toEqual(first);
    expect([counted.reads(), counted.writes()]).toEqual([20, 0]);
  });

  it('lets one caller compute an old state, and answers the others with the old one', async () => {
    now += 2000;
    memory = new Map();
    const answers = await Promise.all(Array.from({ length: 10 }, () => body(status())));
    expect(new Set(answers.map(({ at }) => at))).toEqual(
      new Set(['2026-11-20T10:00:00.000Z', new Date(now).toISOString()]),
    );
    expect(answers.filter(({ at }) => at === new Date(now).toISOString())).toHaveLength(1);
    expect(counted.names().filter((name) => name === 'catalog.json')).toHaveLength(1);
  });

  it('is computed again after an event', async () => {
    await markStateOutdated({ ...ports(), own: protectedDatabase(process.env).source });
    now += 1000;
    expect(await body(status())).toMatchObject({ at: new Date(now).toISOString() });
  });

  it('is unknown if it cannot be computed, without revealing why', async () => {
    now += 10 * 60_000;
    before = () => {
      throw new AppError('store-denied', 'The bucket acme-backups refuses', {
        hint: 'Look at the policy of acme-backups.',
      });
    };
    const answer = await status();
    expect([answer.status, await answer.text()]).toEqual([503, '{"state":"unknown","at":null,"label":null}\n']);
    before = () => undefined;
    // One who computes it and does not come back keeps the others waiting for half a minute.
    let reads = 0;
    before = () => {
      if (++reads > 1) throw new AppError('store-unavailable', 'The store is gone', { hint: 'Wait.' });
    };
    expect(await body(status())).toEqual({ state: 'unknown', at: null, label: null });
    before = () => undefined;
    expect(await body(status())).toEqual({ state: 'unknown', at: null, label: null });
    now += 30_000;
    expect(await body(status())).toMatchObject({ state: 'degraded', at: new Date(now).toISOString() });
  });

  it('is at most ten reads a minute for an open page', async () => {
    memory = new Map();
    counted.reads();
    await status(admin);
    await snapshots();
    // Once for each instance of the function: the runs of a week, and the drills.
    expect(counted.reads()).toBeLessThan(100);
    const polls = { status: 0, snapshots: 0 };
    const until = now + MINUTES * MINUTE_MS;
    for (
      let [atStatus, atSnapshots] = [now + EVERY.status, now + EVERY.snapshots];
      now < until || atStatus === until;
    ) {
      now = Math.min(atStatus, atSnapshots);
      if (now === atSnapshots) await snapshots().then(() => ((polls.snapshots += 1), (atSnapshots += EVERY.snapshots)));
      else await status(admin).then(() => ((polls.status += 1), (atStatus += EVERY.status)));
    }
    expect(polls).toEqual({ status: MINUTES, snapshots: 1 });
    expect(counted.reads() / MINUTES).toBeLessThanOrEqual(10);
    await status(admin);
    expect([...counted.names()].sort()).toEqual(
      ['catalog.json', 'drills/*', 'guard/*', 'leases/*', 'runs/*', 'snapshots/*'], // prettier-ignore
    );
  });
  it('counts tasks that the queue delivers one by one, so that no run seems stalled', async () => {
    const definition = { kind: 'restore', lease: 'drill', firstPhase: 'write', words: {}, phases: {} } as const;
    const progress = { done: 0, total: 3, unit: 'parts', bytes: 0 } as const;
    const request = { kind: 'restore', input: null, checkpoint: null, progress } as const;
    const record = newRecord(newId(now), definition, request, 1, now);
    const store = authenticatedStore(folder.store, signer, silentLog());
    await createRun(store, { ...record, tasks: 3 });
    await writeMarker(store, record.id, 'write', 0, null);
    const { runs } = (await body(status(admin))) as unknown as StatusReport;
    expect(runs[0]).toMatchObject({ runId: record.id, progress: { done: 1, total: 3 } });
    expect(runs[0]?.progressedAt).not.toBeNull();
  });
});
