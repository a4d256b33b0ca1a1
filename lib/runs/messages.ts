import { z } from 'zod';
import { AppError } from '../errors.js';
import type { QueueFlow, QueueMessage } from '../ports/queue.js';
import type { TaskGroup } from './groups.js';

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

/** One queue message's worth of a run: its next attempt, or some of its tasks. */
export type RunMessage = z.infer<typeof messageSchema>;

/** Throws `usage` for anything that is not a message of ours. */
export function parseMessage(body: string): RunMessage {
  try {
    return messageSchema.parse(JSON.parse(body));
  } catch (cause) {
    throw new AppError('usage', 'The message is not one of a run', {
      hint: 'Only messages published by soulcaster-backup itself are understood here.',
      cause,
    });
  }
}

/** `nonce` keeps a message apart from an earlier one of the same kind that the queue would take for its double. */
export function attemptMessage(run: string, attempt: number, delaySeconds: number, nonce = ''): QueueMessage {
  return {
    body: JSON.stringify({ run, leg: attempt } satisfies RunMessage),
    deduplicationId: `${run}.leg-${attempt}${nonce}`,
    delaySeconds,
    flow: null,
  };
}

/**
 * Within one attempt the message of a group of tasks is the same; a later attempt that publishes it again means it, and so does
 * `nonce`.
 */
export function taskMessage(
  run: { id: string; leg: number; phase: string },
  { first, count }: TaskGroup,
  flow: QueueFlow,
  { delaySeconds = 0, nonce = '' } = {},
): QueueMessage {
  const { id, leg, phase } = run;
  return {
    body: JSON.stringify({ run: id, phase, task: first, count } satisfies RunMessage),
    deduplicationId: `${id}.${phase}-${first}.${leg}${nonce}`,
    delaySeconds,
    flow,
  };
}
