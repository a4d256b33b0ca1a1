import pLimit from 'p-limit';
import pMap from 'p-map';
import { AppError } from '../errors.js';
import type { EnginePorts } from './attempt-work.js';
import { type Budget, CONFIRM_MS, createLeaseWatchdog, monotonicNow } from './attempt.js';
import { keepLease, type LeaseTimes } from './lease.js';
import { hasMarker, writeMarker } from './markers.js';
import { type TaskGroup, tasksOf } from './messages.js';
import type { RunRecord, TaskPhase } from './model.js';

/** The outcome of the tasks of one message. */
interface GroupOutcome {
  /** How many tasks were done by this call. */
  readonly done: number;
  /** Tasks that are not done yet, ascending. */
  readonly left: readonly number[];
  /** The first error of a task; null if none failed, so that tasks are left only for lack of time. */
  readonly error: unknown;
}

/**
 * Does the tasks of a group that are not done yet, `phase.ahead` at a time. After a failure, or when time is up, no
 * further task begins; tasks in progress are completed.
 */
export async function workGroup(
  ports: EnginePorts,
  times: LeaseTimes,
  run: RunRecord,
  phase: TaskPhase,
  group: TaskGroup,
  budget: Budget,
): Promise<GroupOutcome> {
  const { clock, store } = ports;
  const due = tasksOf(group).filter((task) => task < run.tasks);
  const left = new Set(due);
  const turn = pLimit(1);
  const life = createLeaseWatchdog(clock, times.holdMs, [budget.interrupt], () => leaseLostError(run));
  let begun = 0;
  let done = 0;
  let keptAt = Number.NEGATIVE_INFINITY;
  let keeping: Promise<void> | null = null;
  let error: unknown = null;

  const renew = async (): Promise<void> => {
    const at = clock.now();
    const since = monotonicNow(clock);
    if (!(await keepLease(ports, run.lease, run.id, times))) throw leaseLostError(run);
    keptAt = at;
    life.confirmed(since);
  };
  const keep = async (): Promise<void> => {
    if (Math.abs(clock.now() - keptAt) < CONFIRM_MS) return;
    keeping ??= renew().finally(() => (keeping = null));
    await keeping;
  };
  const doTask = async (task: number): Promise<void> => {
    await keep();
    const result = await phase.task(run, task, life.signal, turn, keep);
    await writeMarker(store, run.id, run.phase, task, result);
    done += 1;
  };
  const mayBegin = (): boolean => {
    if (budget.interrupt.aborted) error ??= budget.interrupt.reason;
    return error === null && (begun === 0 || clock.now() < budget.deadline);
  };

  await pMap(
    due,
    async (task) => {
      if (await hasMarker(store, run.id, run.phase, task)) left.delete(task);
      if (!left.has(task) || !mayBegin()) return;
      begun += 1;
      try {
        await doTask(task);
        left.delete(task);
      } catch (cause) {
        // The same task may have been delivered twice: if the other delivery has done it, this error does not matter.
        if (await hasMarker(store, run.id, run.phase, task)) left.delete(task);
        else error ??= cause;
      }
    },
    { concurrency: phase.ahead ?? 1 },
  );
  return { done, left: [...left], error };
}

function leaseLostError({ id, lease }: RunRecord): AppError {
  return new AppError('fenced', `Run ${id} no longer has its lease ${lease}`, {
    hint: `It was cancelled, or another run replaced it. To see how it ended: \`npx soulcaster-backup run ${id} --env-file .env\`.`,
  });
}
