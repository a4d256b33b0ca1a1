import type { Progress, RunDefinition, RunRecord, TaskPhase } from '../runs/model.js';
import { releaseLocks } from '../soulcaster/locks.js';
import { enter, stateOf } from './checkpoint.js';
import { batchSize, type ReindexPorts, type ReindexSettings } from './context.js';
import { embedTask, lockedProjects } from './embed-task.js';
import { scanStep } from './find/step.js';
import { flushStep } from './flush-step.js';
import { lateStep } from './late-step.js';
import { planStep } from './plan-step.js';
import { preflightStep } from './preflight.js';
import { proveStep } from './prove-step.js';
import { reportStep } from './report-step.js';
import { settleTask } from './settle-task.js';
import { REINDEX_DRY_RUN_LEASE } from './start.js';
import { sweepStep } from './sweep-step.js';

/** Runs that write vectors exclude each other. */
export const REINDEX_LEASE = 'reindex';

const MINUTE_SECONDS = 60;

/**
 * The run that rebuilds the vector index from Redis: see that everything is there, plan, clear (mode `flush` alone),
 * embed, look for what came up meanwhile and embed that, settle, remove vectors without an item, prove, report.
 */
export function reindexRun(ports: ReindexPorts, settings: ReindexSettings): RunDefinition {
  const now = (): number => ports.clock.now();
  const side = { inline: settings.inline, parallelism: settings.parallelism, ...sharesOf(settings) };
  const embedding = (next: string, kind: 'embed' | 'late'): TaskPhase => ({
    type: 'tasks',
    next,
    ...side,
    ...rateOf(settings),
    task: (run, task, signal, turn) => embedTask(ports, settings, kind, run, task, signal, turn),
    progress: batchesDone,
  });
  return {
    kind: 'reindex',
    lease: REINDEX_LEASE,
    takesLease: (lease) => lease === REINDEX_DRY_RUN_LEASE,
    letGo: (run) => releaseLocks(ports.redis, lockedProjects(stateOf(run)), run.id),
    firstPhase: 'preflight',
    phases: {
      preflight: { type: 'serial', step: (leg) => preflightStep(ports, settings, leg) },
      scan: {
        type: 'serial',
        step: (leg) => scanStep(ports, leg, 'scan', (state) => enter('plan', state, 0, now())),
      },
      plan: { type: 'serial', step: (leg) => planStep(ports, settings, leg) },
      flush: { type: 'serial', step: (leg) => flushStep(ports, leg) },
      embed: embedding('rescan', 'embed'),
      rescan: {
        type: 'serial',
        step: (leg) => scanStep(ports, leg, 'rescan', (state) => enter('look', state, 0, now())),
      },
      look: { type: 'serial', step: (leg) => lateStep(ports, settings, leg) },
      late: embedding('settling', 'late'),
      settling: {
        type: 'serial',
        step: (leg) => {
          const state = stateOf(leg.run);
          return Promise.resolve(enter('settle', state, state.batches + state.lateBatches, now()));
        },
      },
      settle: {
        type: 'tasks',
        next: 'sweep',
        ...side,
        task: (run, task, signal, turn) => settleTask(ports, settings, run, task, signal, turn),
        progress: batchesDone,
      },
      sweep: { type: 'serial', step: (leg) => sweepStep(ports, leg) },
      audit: {
        type: 'serial',
        step: (leg) => scanStep(ports, leg, 'audit', (state) => enter('prove', state, 0, now())),
      },
      prove: { type: 'serial', step: (leg) => proveStep({ ports, settings, leg }) },
      report: { type: 'serial', step: (leg) => reportStep(ports, settings, leg) },
    },
  };
}

/** Batches in one message: at a second each, well within a function's time. */
const MOST_BATCHES = 25;
/** One is read and one is written while one is embedded. */
const AHEAD = 3;

/** The queue counts messages: where it has to keep to a rate of texts, a message is one batch. */
function sharesOf({ textsPerMinute }: ReindexSettings): Pick<TaskPhase, 'group' | 'ahead'> {
  return { group: textsPerMinute === null ? MOST_BATCHES : 1, ahead: AHEAD };
}

/** Batches that the queue may begin within a minute. */
function rateOf(settings: ReindexSettings): Pick<TaskPhase, 'rate'> {
  const { textsPerMinute, rateKey } = settings;
  if (textsPerMinute === null) return {};
  const count = Math.max(1, Math.floor(textsPerMinute / batchSize(settings)));
  return { rate: { key: rateKey, count, periodSeconds: MINUTE_SECONDS } };
}

function batchesDone(run: RunRecord, done: number): Progress {
  return { done, total: run.tasks, unit: 'parts', bytes: 0 };
}
