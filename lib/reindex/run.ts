import type { Embedder } from '../ports/embedder.js';
import type { Progress, Rate, RunDefinition, RunRecord, SerialPhase, StepOutcome, TaskPhase } from '../runs/model.js';
import { releaseLocks } from '../soulcaster/locks.js';
import { compareStep, dropStep } from './beside-steps.js';
import { enterPhase, inputOf, stateOf } from './checkpoint.js';
import {
  batchesPerMinute,
  contextOfRun,
  type ReindexPorts,
  type ReindexSettings,
  type StepContext,
} from './context.js';
import { embedTask, lockedProjects } from './embed-task.js';
import { scanStep } from './find-step.js';
import { clearedWords, flushStep } from './flush-step.js';
import { REINDEX } from './kind.js';
import { lateStep } from './late-step.js';
import { planStep } from './plan-step.js';
import { preflightStep } from './preflight.js';
import { proveStep } from './prove-step.js';
import { reconcileTask } from './reconcile-task.js';
import { reportStep } from './report-step.js';
import { REINDEX_DRY_RUN_LEASE } from './start.js';

/** Runs that write vectors exclude each other. */
const REINDEX_LEASE = 'reindex';

const MINUTE_SECONDS = 60;

/**
 * The run that rebuilds the vector index from Redis: check the services, find the items, plan, clear (only in mode `flush`),
 * embed, find new items and embed them, reconcile, remove vectors without an item and prove, compare with the vectors that
 * are searched now (if built beside them), report.
 */
export function reindexRun(ports: ReindexPorts, settings: ReindexSettings): RunDefinition {
  const now = (): number => ports.clock.now();
  const { limits } = ports.embedder;
  const isLimited = limits.textsPerMinute !== null || limits.tokensPerMinute !== null;
  const side = { inline: settings.inline, parallelism: settings.parallelism, ...sharesOf(isLimited) };
  const serial = (step: (work: StepContext) => Promise<StepOutcome>): SerialPhase => ({
    type: 'serial',
    step: async (attempt) => step({ ...contextOfRun(ports, settings, attempt.run), attempt }),
  });
  const embedding = (next: string, kind: 'embed' | 'late'): TaskPhase => ({
    type: 'tasks',
    next,
    ...side,
    rate: (run) => {
      const context = contextOfRun(ports, settings, run);
      return rateOf(context.ports.embedder, context.settings);
    },
    task: async (run, task, signal, turn) => {
      const context = contextOfRun(ports, settings, run);
      return embedTask(context.ports, context.settings, kind, run, task, signal, turn);
    },
    progress: batchesDone,
  });
  return {
    ...REINDEX,
    lease: REINDEX_LEASE,
    takesLease: (lease) => lease === REINDEX_DRY_RUN_LEASE,
    releaseResources: (run) => releaseLocks(ports.redis, lockedProjects(inputOf(run), stateOf(run)), run.id),
    describeRemains: (run) => Promise.resolve(clearedWords(run)),
    firstPhase: 'preflight',
    phases: {
      preflight: serial(preflightStep),
      scan: serial(scanStep),
      plan: serial(planStep),
      flush: serial(flushStep),
      embed: embedding('look', 'embed'),
      look: serial(lateStep),
      late: embedding('settling', 'late'),
      settling: serial(({ attempt }) => {
        const state = stateOf(attempt.run);
        return Promise.resolve(enterPhase('settle', state, state.batches + state.lateBatches, now()));
      }),
      settle: {
        type: 'tasks',
        next: 'prove',
        ...side,
        task: async (run, task, signal, turn) => {
          const context = contextOfRun(ports, settings, run);
          return reconcileTask(context.ports, context.settings, run, task, signal, turn);
        },
        progress: batchesDone,
      },
      prove: serial(proveStep),
      compare: serial((work) => compareStep(work, ports.vectors)),
      drop: serial((work) => dropStep(work, ports.vectors)),
      report: serial(reportStep),
    },
  };
}

/** Batches per message: at a second each, well within the time limit of a function. */
const MOST_BATCHES = 25;
/** One batch is read and one is written while one is embedded. */
const AHEAD = 3;

/** The queue limits messages per period: to limit texts, each message must be one batch. */
function sharesOf(isLimited: boolean): Pick<TaskPhase, 'group' | 'ahead'> {
  return { group: isLimited ? 1 : MOST_BATCHES, ahead: AHEAD };
}

/** Batches that the queue may deliver per minute. */
function rateOf(embedder: Embedder, settings: ReindexSettings): Rate | undefined {
  const count = batchesPerMinute(embedder, settings);
  return count === null ? undefined : { key: embedder.quotaKey, count, periodSeconds: MINUTE_SECONDS };
}

function batchesDone(run: RunRecord, done: number): Progress {
  return { done, total: run.tasks, unit: 'parts', bytes: 0 };
}
