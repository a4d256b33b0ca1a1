import type { Ports } from '../ports/index.js';
import type { QueueFlow } from '../ports/queue.js';
import { cutGroups, tasksOf } from './groups.js';
import { taskMessage } from './messages.js';
import type { RunRecord, TaskPhase } from './model.js';

type Needs = Pick<Ports, 'queue'>;

/** Publishes the groups in which a task is missing; the same groups each time, so that the queue drops duplicates. */
export function publishTasks(
  ports: Needs,
  phase: TaskPhase,
  run: RunRecord,
  missing: ReadonlySet<number>,
): Promise<void> {
  const groups = cutGroups(run.tasks, phase.parallelism, phase.group ?? 1);
  const due = groups.filter((group) => tasksOf(group).some((task) => missing.has(task)));
  const flow = flowOf(phase, run);
  return ports.queue.publish(due.map((group) => taskMessage(run, group, flow)));
}

/**
 * Publishes the rest of a group as a separate message, with the full number of retries. The rest gets smaller each time,
 * and a message that is delivered twice publishes the same rest.
 */
export function publishRest(
  ports: Needs,
  phase: TaskPhase,
  run: RunRecord,
  left: readonly number[],
  waitMs: number,
): Promise<void> {
  const first = left[0] ?? 0;
  const rest = { first, count: (left.at(-1) ?? first) - first + 1 };
  const when = { delaySeconds: Math.ceil(waitMs / 1000), nonce: `-rest-${left.length}` };
  return ports.queue.publish([taskMessage(run, rest, flowOf(phase, run), when)]);
}

function flowOf({ parallelism, rate }: TaskPhase, run: RunRecord): QueueFlow {
  const limit = rate?.(run);
  if (limit === undefined) return { key: `run-${run.id}`, parallelism, rate: null };
  const { key, count, periodSeconds } = limit;
  return { key, parallelism, rate: { count, periodSeconds } };
}
