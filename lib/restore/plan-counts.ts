import { z } from 'zod';
import { ledgerKeySchema } from '../snapshot/manifest.js';

/**
 * What becomes of a key: `write`, it is absent; `overwrite`, it differs; `unite`, it is a list that gets members and loses
 * none; `same`, it is equal already, or a list that has all of the snapshot's members; `keep`, it differs and the mode leaves it; `expired`, its time is over; `remove`, it is there and not to be there.
 */
export const ACTIONS = ['write', 'overwrite', 'unite', 'same', 'keep', 'expired', 'remove'] as const;
export type Action = (typeof ACTIONS)[number];

const tallySchema = z.object({
  write: z.number(),
  overwrite: z.number(),
  unite: z.number().default(0),
  same: z.number(),
  keep: z.number(),
  expired: z.number(),
  remove: z.number(),
});
export type Tally = z.infer<typeof tallySchema>;

export const planSchema = z.object({
  total: tallySchema,
  byFamily: z.record(z.string(), tallySchema),
  /** The first names of keys that are overwritten, kept or removed. */
  examples: z.array(z.object({ action: z.enum(ACTIONS), key: ledgerKeySchema })),
  /** Sets of users that get the project as a member; they lose none. */
  usersJoined: z.number(),
  /** Sets of users that lose the project: only when the restore of a project is undone. */
  usersLeft: z.number().default(0),
  /** Lists of members: how many get in (or get another score), how many lists hold another type, how many members move. */
  lists: z
    .object({ added: z.number(), wrongType: z.number(), moved: z.number() })
    .default({ added: 0, wrongType: 0, moved: 0 }),
});
export type Plan = z.infer<typeof planSchema>;

/** So many names of each action are kept. */
export const EXAMPLES = 20;

export function noTally(): Tally {
  return { write: 0, overwrite: 0, unite: 0, same: 0, keep: 0, expired: 0, remove: 0 };
}

export function noPlan(): Plan {
  return {
    total: noTally(),
    byFamily: {},
    examples: [],
    usersJoined: 0,
    usersLeft: 0,
    lists: { added: 0, wrongType: 0, moved: 0 },
  };
}

/** Counts a key in place: it is called for every key. */
export function countAction(plan: Plan, family: string, action: Action): void {
  plan.total[action] += 1;
  (plan.byFamily[family] ??= noTally())[action] += 1;
}

/** Adds one plan to another, in place. */
export function addPlan(to: Plan, from: Plan): void {
  for (const action of ACTIONS) to.total[action] += from.total[action];
  for (const [family, tally] of Object.entries(from.byFamily)) {
    const sum = (to.byFamily[family] ??= noTally());
    for (const action of ACTIONS) sum[action] += tally[action];
  }
  for (const example of from.examples) if (wantsExample(to, example.action)) to.examples.push(example);
  to.usersJoined += from.usersJoined;
  to.usersLeft += from.usersLeft;
  for (const name of ['added', 'wrongType', 'moved'] as const) to.lists[name] += from.lists[name];
}

export function wantsExample(plan: Plan, action: Action): boolean {
  return plan.examples.filter((example) => example.action === action).length < EXAMPLES;
}
