import type { Drill, RunSummary, Status } from '../../page/api/types.js';
import { titleOf } from '../../lib/runs/model.js';
import { at, DAY, HOUR, idAt, MINUTE } from './fixtures.js';

export function run(changes: Partial<RunSummary>): RunSummary {
  const { kind = 'snapshot' } = changes;
  return {
    runId: idAt(72 * MINUTE),
    kind,
    title: titleOf(kind),
    state: 'succeeded',
    phase: 'seal',
    progress: { done: 4, total: 4, unit: 'parts', bytes: 55_640_000 },
    error: null,
    createdAt: at(72 * MINUTE),
    updatedAt: at(71 * MINUTE),
    finishedAt: at(71 * MINUTE + 21_000),
    ...changes,
  };
}

export const RUNNING = run({
  runId: idAt(30_000, 'q3w8e1'),
  kind: 'restore',
  state: 'running',
  phase: 'write',
  progress: { done: 41, total: 96, unit: 'parts', bytes: 0 },
  createdAt: at(94_000),
  updatedAt: at(2000),
  finishedAt: null,
});

export function drill(changes: Partial<Drill> = {}): Drill {
  return {
    id: idAt(3 * DAY, 'd5r1l7'),
    outcome: 'passed',
    reason: null,
    snapshot: idAt(3 * DAY + 72 * MINUTE),
    keys: 20_620,
    startedAt: at(3 * DAY),
    finishedAt: at(3 * DAY - 101_000),
    milliseconds: 98_400,
    ...changes,
  };
}

const LOST = drill({
  id: idAt(10 * DAY, 'd8r2l8'),
  outcome: 'inconclusive',
  reason: 'the scratch database holds 12 keys and was not marked as one: empty it first',
  keys: 0,
  startedAt: at(10 * DAY),
  finishedAt: at(10 * DAY),
  milliseconds: null,
});

export function status(changes: Partial<Status> = {}): Status {
  const passed = drill();
  return {
    state: 'ok',
    at: at(0),
    recoveryPoint: {
      objectiveHours: 24,
      ageHours: 1.21,
      met: true,
      newestVerified: { id: idAt(72 * MINUTE), keys: 21_400 },
    },
    recoveryTime: {
      objectiveHours: 4,
      met: true,
      projectedMilliseconds: 102_000,
      lastPassed: {
        id: passed.id,
        snapshot: passed.snapshot,
        keys: passed.keys,
        milliseconds: 98_400,
        finishedAt: at(3 * DAY - 101_000),
      },
      lastDrill: { id: passed.id, outcome: 'passed', reason: null, finishedAt: passed.finishedAt },
    },
    storage: { snapshots: 25, complete: 23, incomplete: 1, damaged: 1, storedBytes: 196_000_000 },
    runs: [
      RUNNING,
      run({}),
      run({
        runId: idAt(3 * HOUR, 'v4r1f7'),
        kind: 'reindex',
        createdAt: at(3 * HOUR),
        finishedAt: at(3 * HOUR - 48_000),
        phase: 'report',
      }),
      run({
        runId: idAt(25 * HOUR, 'm1n2b3'),
        state: 'incomplete',
        createdAt: at(25 * HOUR),
        finishedAt: at(25 * HOUR - 25_000),
        error: {
          code: 'incomplete',
          message: '12 keys could not be saved',
          hint: 'Run show with the id: it names each and the reason.',
        },
      }),
    ],
    drills: [passed, LOST],
    alerts: [],
    credentials: {
      checkedAt: at(13 * HOUR),
      checks: [
        { name: 'Redis', status: 'ok', detail: 'reads and writes, 38 ms', hint: null },
        { name: 'Object store', status: 'ok', detail: 'conditional writes hold, 61 ms', hint: null },
        { name: 'QStash', status: 'ok', detail: 'publishes; signing keys fit', hint: null },
        {
          name: 'Vector index',
          status: 'warn',
          detail: '768 dimensions, cosine; 4 updates pending',
          hint: 'Look again in a few minutes.',
        },
        { name: 'Backend', status: 'skipped', detail: 'BACKEND_URL is not set', hint: null },
      ],
    },
    guard: { lastRunAt: at(13 * HOUR), outcome: 'ok' },
    ...changes,
  };
}

/** A night on which nothing is as it should be. */
export function badStatus(): Status {
  return status({
    state: 'degraded',
    recoveryPoint: {
      objectiveHours: 24,
      ageHours: 31.4,
      met: false,
      newestVerified: { id: idAt(31 * HOUR), keys: 21_090 },
    },
    alerts: [
      {
        code: 'recovery-point',
        subject: null,
        message: 'The newest verified snapshot is 31 hours old',
        hint: 'Look at the last runs, then take a snapshot now.',
        since: at(7 * HOUR),
        lastSentAt: at(HOUR),
      },
      {
        code: 'credential',
        subject: 'Redis',
        message: 'Redis refuses the token',
        hint: 'Set UPSTASH_REDIS_REST_TOKEN to the standard token again and deploy.',
        since: at(8 * HOUR),
        lastSentAt: null,
      },
    ],
    runs: [
      run({
        state: 'failed',
        phase: 'scan',
        error: {
          code: 'redis-denied',
          message: 'Redis refuses the token',
          hint: 'Set UPSTASH_REDIS_REST_TOKEN to the standard token again and deploy.',
        },
      }),
    ],
  });
}
