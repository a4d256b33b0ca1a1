import { z } from 'zod';
import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { QueueFlow, QueueMessage } from '../ports/queue.js';
import type { RunRecord, TaskPhase } from './model.js';

const messageSchema = z.union([
  z.strictObject({ run: z.string(), leg: z.number().int().nonnegative() }),
  z.strictObject({
    run: z.string(),
    phase: z.string(),
    task: z.number().int().nonnegative(),
    /** This many tasks from `task` on. */
    count: z.number().int().positive().default(1),
  }),
]);

/** The work that one queue message triggers: the next attempt of a run, or some of its tasks. */
export type RunMessage = z.infer<typeof messageSchema>;

/** Throws `usage` for any other message. */
export function parseMessage(body: string): RunMessage {
  try {
    return messageSchema.parse(JSON.parse(body));
  } catch (cause) {
    throw new AppError('usage', 'The message is not about a run', {
      hint: 'Only messages that soulcaster-backup itself published are accepted here.',
      cause,
    });
  }
}

/** `nonce` keeps the queue from dropping the message as a duplicate of an earlier one. */
export function attemptMessage(run: string, attempt: number, delaySeconds: number, nonce = ''): QueueMessage {
  return {
    body: JSON.stringify({ run, leg: attempt } satisfies RunMessage),
    deduplicationId: `${run}.leg-${attempt}${nonce}`,
    delaySeconds,
    flow: null,
  };
}

/**
 * Within one attempt the message of a group is always the same, so that the queue drops duplicates. A later attempt, or
 * `nonce`, makes it a new message.
 */
export function taskMessage(
  run: { id: string; leg: number; phase: string },
  { first, count }: TaskGroup,
  flow: QueueFlow,
  { delaySeconds = 0, nonce = '' } = {},
): QueueMessage {
  const { id, leg: attempt, phase } = run;
  return {
    body: JSON.stringify({ run: id, phase, task: first, count } satisfies RunMessage),
    deduplicationId: `${id}.${phase}-${first}.${attempt}${nonce}`,
    delaySeconds,
    flow,
  };
}

/** Consecutive tasks that one message delivers. */
export interface TaskGroup {
  readonly first: number;
  readonly count: number;
}

/**
 * Cuts tasks 0 .. `tasks` - 1 into groups of at most `most`: large groups first and smaller ones toward the end, so that
 * `workers` parallel workers finish at about the same time (guided self-scheduling:
 * Polychronopoulos and Kuck, IEEE Transactions on Computers 36/12, 1987). The same numbers give the same groups.
 */
export function cutGroups(tasks: number, workers: number, most: number): TaskGroup[] {
  const groups: TaskGroup[] = [];
  for (let first = 0; first < tasks;) {
    const share = Math.ceil((tasks - first) / (2 * workers));
    const count = Math.min(Math.max(1, share), most, tasks - first);
    groups.push({ first, count });
    first += count;
  }
  return groups;
}

export function tasksOf({ first, count }: TaskGroup): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

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
