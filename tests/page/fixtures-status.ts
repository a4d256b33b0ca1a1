import type { Answer, RunSummary, RunView, Status } from '../../page/api/types.js';
import { kindView } from '../../lib/http/run-view.js';
import { traitsOf } from '../../lib/run-kinds.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { at, DAY, HOUR, idAt, MINUTE } from './fixtures.js';

export function run(changes: Partial<RunSummary>): RunSummary {
  const { kind = 'snapshot', input = kind === 'snapshot' ? { trigger: 'cron' } : null } = changes;
  const { aim, ifCancelled, title } = traitsOf(kind);
  return {
    runId: idAt(72 * MINUTE),
    kind,
    title,
    aim: aim?.(fieldsOf(input)) ?? null,
    ifCancelled: ifCancelled?.(fieldsOf(input)) ?? null,
    state: 'succeeded',
    phase: 'seal',
    doing: 'writing the manifest',
    input,
    asked: '',
    trigger: 'cron',
    attempts: 1,
    phaseAt: at(72 * MINUTE - 14_000),
    progressedAt: at(71 * MINUTE),
    lastError: null,
    nextAttemptAt: null,
    progress: { done: 4, total: 4, unit: 'parts', bytes: 55_640_000 },
    error: null,
    createdAt: at(72 * MINUTE),
    updatedAt: at(71 * MINUTE),
    finishedAt: at(71 * MINUTE + 21_000),
    ...changes,
  };
}

export const RUNNING: RunSummary = run({
  runId: idAt(30_000, 'q3w8e1'),
  kind: 'restore',
  state: 'running',
  phase: 'write',
  doing: 'writing',
  input: { snapshot: idAt(72 * MINUTE), scope: { project: 'cm3k8x2p40001l508acme' }, mode: 'replace', dryRun: false },
  asked: `snapshot ${idAt(72 * MINUTE)}, project cm3k8x2p40001l508acme, mode replace`,
  trigger: 'admin',
  phaseAt: at(60_000),
  progressedAt: at(2000),
  progress: { done: 41, total: 96, unit: 'parts', bytes: 0 },
  createdAt: at(94_000),
  updatedAt: at(2000),
  finishedAt: null,
});

export function drill(changes: Partial<Status['drills'][number]> = {}): Status['drills'][number] {
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
  reason: 'the scratch database holds 12 keys and is not marked as a scratch database: empty it first',
  keys: 0,
  startedAt: at(10 * DAY),
  finishedAt: at(10 * DAY),
  milliseconds: null,
});

const STATES = {
  unreadable: 0,
  untrusted: 0,
  damaged: 1,
  safety: 1,
  imported: 0,
  foreign: 0,
  incomplete: 1,
  unverified: 0,
  future: 0,
  doubtful: 0,
  trusted: 22,
};

/** An answer that is ok, as it was found ten minutes ago. */
export function answer(changes: Partial<Answer> = {}): Answer {
  return { state: 'ok', since: at(13 * HOUR), checkedAt: at(10 * MINUTE), by: 'guard', reasons: [], ...changes };
}

/** A run as its own address shows it. */
export function runView(summary: RunSummary, changes: Partial<RunView> = {}): RunView {
  return {
    ...summary,
    result: null,
    ...kindView({ ...summary, result: changes.result ?? null }),
    tasks: 0,
    notes: [],
    cost: null,
    phases: [
      { phase: 'open', at: summary.createdAt },
      { phase: summary.phase, at: at(60_000) },
    ],
    ...changes,
  };
}

const DEPLOYMENT = {
  label: 'production',
  database: 'eu1-merry-cat-31337.upstash.io',
  store: 's3://acme-backups/soulcaster',
  version: '0.1.0',
};

function service(name: string, changes: Partial<Status['services']['items'][number]> = {}) {
  const none = { check: null, reason: null, hint: null };
  return { name, state: 'ok' as const, since: at(13 * HOUR), checkedAt: at(0), by: 'status', ...none, ...changes };
}

const SERVICES = ['redis', 'store', 'queue', 'index', 'embedder'].map((name) => service(name));

/** A status in which one service does not work. */
export function serviceDown(name: string, reason: string): Status {
  const hint = `Mend ${name} as the runbook says.`;
  const items = SERVICES.map((one) => (one.name === name ? { ...one, state: 'not-ok' as const, reason, hint } : one));
  const services = { ...answer({ state: 'not-ok', reasons: [`${name}: ${reason}`] }), items };
  return status({ state: 'degraded', services });
}

export function status(changes: Partial<Status> = {}): Status {
  const passed = drill();
  return {
    deployment: DEPLOYMENT,
    state: 'ok',
    at: at(0),
    recoveryPoint: {
      objectiveHours: 24,
      ageHours: 1.21,
      met: true,
      newestVerified: { id: idAt(72 * MINUTE), keys: 21_400 },
      passedOver: [],
      ambiguous: false,
    },
    recoverable: answer(),
    watched: {
      ...answer(),
      schedulers: [
        { scheduler: 'cron', state: 'heard', lastAt: at(13 * HOUR), dueBy: at(-12 * HOUR) },
        { scheduler: 'schedule', state: 'heard', lastAt: at(12 * MINUTE), dueBy: at(-2 * HOUR) },
      ],
    },
    services: { ...answer({ checkedAt: at(0), by: 'status' }), items: SERVICES },
    unfinished: [],
    unsaved: null,
    index: null,
    acknowledged: [],
    delivery: { lastSentAt: at(9 * DAY), lastFailure: null, undelivered: [] },
    recoveryTime: {
      ...answer(),
      objectiveHours: 4,
      drilledBy: 'guard',
      drillDueAt: at(-4 * DAY),
      met: true,
      projectedMilliseconds: 102_000,
      projectedProvenMilliseconds: null,
      projections: [],
      lastPassed: {
        id: passed.id,
        snapshot: passed.snapshot,
        keys: passed.keys,
        milliseconds: 98_400,
        finishedAt: at(3 * DAY - 101_000),
      },
      lastDrill: { id: passed.id, outcome: 'passed', reason: null, finishedAt: passed.finishedAt },
    },
    storage: {
      snapshots: 25,
      complete: 23,
      incomplete: 1,
      damaged: 1,
      states: STATES,
      storedBytes: 196_000_000,
      parts: 50,
    },
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
    spent: { since: at(6 * DAY), runs: 34, unknown: 2, commands: 1_204_310, tokens: 48_200, estimatedUsd: 2.418 },
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
    recoverable: answer({
      state: 'not-ok',
      reasons: [`the newest verified snapshot, ${idAt(31 * HOUR)}, is 31.4 hours old; the objective is 24`],
    }),
    services: serviceDown('redis', 'Redis refuses the token').services,
    recoveryPoint: {
      objectiveHours: 24,
      ageHours: 31.4,
      met: false,
      newestVerified: { id: idAt(31 * HOUR), keys: 21_090 },
      passedOver: [],
      ambiguous: false,
    },
    alerts: [
      {
        code: 'rpo-breached',
        subject: 'recovery point',
        runbook: 'docs/operations.md#alert-rpo-breached',
        message: 'The newest verified snapshot is 31 hours old',
        hint: 'Look at the last runs, then take a snapshot now.',
        since: at(7 * HOUR),
        lastSentAt: at(HOUR),
      },
      {
        code: 'credential-failed',
        subject: 'Redis',
        runbook: 'docs/operations.md#alert-credential-failed',
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
