import type { Embedder } from '../ports/embedder.js';
import type {
  Attempt,
  Progress,
  Rate,
  RunDefinition,
  RunRecord,
  SerialPhase,
  StepOutcome,
  TaskPhase,
} from '../runs/model.js';
import { releaseLocks } from '../soulcaster/locks.js';
import { enter, inputOf, stateOf } from './checkpoint.js';
import { compareStep, dropStep } from './beside-steps.js';
import { batchesPerMinute, type ReindexPorts, type ReindexSettings } from './context.js';
import { embedTask, lockedProjects } from './embed-task.js';
import { scanStep } from './find/step.js';
import { flushStep } from './flush-step.js';
import { REINDEX } from './kind.js';
import { lateStep } from './late-step.js';
import { placeOf, type Placed } from './place.js';
import { planStep } from './plan-step.js';
import { preflightStep } from './preflight.js';
import { proveStep } from './prove-step.js';
import { reportStep } from './report-step.js';
import { reconcileTask } from './reconcile-task.js';
import { REINDEX_DRY_RUN_LEASE } from './start.js';

/** Runs that write vectors exclude each other. */
const REINDEX_LEASE = 'reindex';

const MINUTE_SECONDS = 60;

/**
 * The run that rebuilds the vector index from Redis: see that everything is there, find the items, plan, clear (mode
 * `flush` alone), embed, look for what came up meanwhile and embed that, reconcile, remove vectors without an item and
 * prove, compare with what is searched now (for what is built beside it), report.
 */
export function reindexRun(ports: ReindexPorts, settings: ReindexSettings): RunDefinition {
  const now = (): number => ports.clock.now();
  const { limits } = ports.embedder;
  const isLimited = limits.textsPerMinute !== null || limits.tokensPerMinute !== null;
  const side = { inline: settings.inline, parallelism: settings.parallelism, ...sharesOf(isLimited) };
  const serial = (step: (placed: Placed, attempt: Attempt) => Promise<StepOutcome>): SerialPhase => ({
    type: 'serial',
    step: async (attempt) => step(placeOf(ports, settings, attempt.run), attempt),
  });
  const embedding = (next: string, kind: 'embed' | 'late'): TaskPhase => ({
    type: 'tasks',
    next,
    ...side,
    rate: (run) => {
      const placed = placeOf(ports, settings, run);
      return rateOf(placed.ports.embedder, placed.settings);
    },
    task: async (run, task, signal, turn) => {
      const placed = placeOf(ports, settings, run);
      return embedTask(placed.ports, placed.settings, kind, run, task, signal, turn);
    },
    progress: batchesDone,
  });
  return {
    ...REINDEX,
    lease: REINDEX_LEASE,
    takesLease: (lease) => lease === REINDEX_DRY_RUN_LEASE,
    releaseResources: (run) => releaseLocks(ports.redis, lockedProjects(inputOf(run), stateOf(run)), run.id),
    firstPhase: 'preflight',
    phases: {
      preflight: serial((placed, attempt) => preflightStep(placed.ports, placed.settings, attempt)),
      scan: serial((placed, attempt) =>
        scanStep(placed.ports, attempt, 'scan', (state) =>
          enter(inputOf(attempt.run).dropOld ? 'drop' : 'plan', state, 0, now()),
        ),
      ),
      plan: serial((placed, attempt) => planStep(placed.ports, placed.settings, attempt)),
      flush: serial((placed, attempt) => flushStep(placed.ports, attempt)),
      embed: embedding('look', 'embed'),
      look: serial((placed, attempt) => lateStep(placed.ports, placed.settings, attempt)),
      late: embedding('settling', 'late'),
      settling: serial((_, attempt) => {
        const state = stateOf(attempt.run);
        return Promise.resolve(enter('settle', state, state.batches + state.lateBatches, now()));
      }),
      settle: {
        type: 'tasks',
        next: 'prove',
        ...side,
        task: async (run, task, signal, turn) => {
          const placed = placeOf(ports, settings, run);
          return reconcileTask(placed.ports, placed.settings, run, task, signal, turn);
        },
        progress: batchesDone,
      },
      prove: serial((placed, attempt) => proveStep({ ...placed, attempt })),
      compare: serial((placed, attempt) => compareStep(placed.ports, ports.vectors, attempt)),
      drop: serial((placed, attempt) => dropStep({ ...placed, attempt }, ports.vectors)),
      report: serial((placed, attempt) => reportStep(placed.ports, attempt)),
    },
  };
}

/** Batches in one message: at a second each, well within a function's time. */
const MOST_BATCHES = 25;
/** One is read and one is written while one is embedded. */
const AHEAD = 3;

/** The queue counts messages: where it has to keep to a rate of texts, a message is one batch. */
function sharesOf(isLimited: boolean): Pick<TaskPhase, 'group' | 'ahead'> {
  return { group: isLimited ? 1 : MOST_BATCHES, ahead: AHEAD };
}

/** Batches that the queue may begin within a minute. */
function rateOf(embedder: Embedder, settings: ReindexSettings): Rate | undefined {
  const count = batchesPerMinute(embedder, settings);
  return count === null ? undefined : { key: embedder.quotaKey, count, periodSeconds: MINUTE_SECONDS };
}

function batchesDone(run: RunRecord, done: number): Progress {
  return { done, total: run.tasks, unit: 'parts', bytes: 0 };
}
