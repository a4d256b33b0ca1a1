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
