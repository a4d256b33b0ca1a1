import { z } from 'zod';
import { ledgerKeySchema, type LedgerKey } from '../snapshot/manifest.js';
import { lackSchema, type LackCode } from './lacks.js';

/**
 * What becomes of a key: `write`, it is absent; `overwrite`, it differs; `unite`, it is a list that gets members,
 * or the snapshot's expiry, and loses none; `fail`, it is equal but for work that was in flight, which becomes failed; `same`, it is equal already, or
 * a list that has all of the snapshot's members; `keep`, it differs and the mode leaves it; `blocked`, it would be
 * overwritten or removed, but is left, since no snapshot can hold what is there; `expired`, its time is over; `remove`,
 * it is there and not to be there.
 */
export const ACTIONS = ['write', 'overwrite', 'unite', 'fail', 'same', 'keep', 'blocked', 'expired', 'remove'] as const;
export type Action = (typeof ACTIONS)[number];

/** What an overwritten key differs in first. */
export const REASONS = ['type', 'expiry', 'field-expiry', 'value'] as const;
export type Reason = (typeof REASONS)[number];

const count = z.number().default(0);
const tallySchema = z.object({
  write: z.number(),
  overwrite: z.number(),
  unite: count,
  fail: count,
  same: z.number(),
  keep: z.number(),
  blocked: count,
  expired: z.number(),
  remove: z.number(),
});
export type Tally = z.infer<typeof tallySchema>;

const reasonsSchema = z.object({ type: count, expiry: count, 'field-expiry': count, value: count });

export const planSchema = z.object({
  total: tallySchema,
  byFamily: z.record(z.string(), tallySchema),
  /** By family, what its overwritten keys differ in first. */
  reasons: z.record(z.string(), reasonsSchema).default({}),
  /** By family, keys whose work was in flight and becomes failed: those that are written, overwritten or `fail`. */
  failsWork: z.record(z.string(), z.number()).default({}),
  /** By type, keys that are written, lists that get members among them. */
  types: z.record(z.string(), z.number()).default({}),
  /** The first names of keys that are overwritten, made failed, kept, blocked or removed. */
  examples: z.array(z.object({ action: z.enum(ACTIONS), key: ledgerKeySchema })),
  /** Sets of users that get the project as a member; they lose none. */
  usersJoined: z.number(),
  /** Sets of users that lose the project: only when the restore of a project is undone. */
  usersLeft: z.number().default(0),
  /**
   * Lists of members: how many get in (or get another score), how many lists hold another type, how many members move, how
   * many lists that are there get the snapshot's expiry.
   */
  lists: z
    .object({
      added: z.number(),
      wrongType: z.number(),
      moved: z.number(),
      expiry: count,
      /** The first names of lists that lose members: to another list, or because the snapshot lacks an item there. */
      losing: z.array(ledgerKeySchema).default([]),
      /** The first names of lists that hold another type. */
      wrong: z.array(ledgerKeySchema).default([]),
    })
    .default({ added: 0, wrongType: 0, moved: 0, expiry: 0, losing: [], wrong: [] }),
  /** By family, keys of the snapshot that are left out, since their user or project is on the erasure list. */
  erased: z.record(z.string(), z.number()).default({}),
  /** Keys of external ids that are left out, since neither the snapshot nor the target has their items; the first names. */
  dangling: z.object({ count: z.number(), names: z.array(ledgerKeySchema) }).default({ count: 0, names: [] }),
  /** Clusters that items were in and that are gone: the items are put as unclustered. */
  goneClusters: count,
  /** What the target lacks for keys that would be written: then nothing is. */
  lacks: z.array(lackSchema).default([]),
  /** Bytes of the names and values that would be written, at least: in all, and of keys that are absent. */
  bytes: z.object({ all: z.number(), absent: z.number() }).default({ all: 0, absent: 0 }),
});
export type Plan = z.infer<typeof planSchema>;

/** This many names of each action are kept. */
export const EXAMPLES = 20;

function noTally(): Tally {
  return { write: 0, overwrite: 0, unite: 0, fail: 0, same: 0, keep: 0, blocked: 0, expired: 0, remove: 0 };
}

export function noPlan(): Plan {
  return {
    total: noTally(),
    byFamily: {},
    reasons: {},
    failsWork: {},
    types: {},
    examples: [],
    usersJoined: 0,
    usersLeft: 0,
    lists: { added: 0, wrongType: 0, moved: 0, expiry: 0, losing: [], wrong: [] },
    erased: {},
    dangling: { count: 0, names: [] },
    goneClusters: 0,
    lacks: [],
    bytes: { all: 0, absent: 0 },
  };
}

/** Whether an action writes a record as a value; lists are united by a phase of their own. */
export function writes(action: Action): boolean {
  return action === 'write' || action === 'overwrite' || action === 'fail';
}

/** Counts a key in place: it is called for every key. */
export function countAction(plan: Plan, family: string, action: Action): void {
  plan.total[action] += 1;
  (plan.byFamily[family] ??= noTally())[action] += 1;
}

/** Counts why a key is overwritten. */
export function countReason(plan: Plan, family: string, reason: Reason): void {
  (plan.reasons[family] ??= noReasons())[reason] += 1;
}

/** Counts a key that is written with its work made failed. */
export function countFailed(plan: Plan, family: string): void {
  plan.failsWork[family] = (plan.failsWork[family] ?? 0) + 1;
}

/** Counts a key that is written by its type. */
export function countType(plan: Plan, type: string): void {
  plan.types[type] = (plan.types[type] ?? 0) + 1;
}

/** Counts a key that is left out as erased. */
export function countErased(plan: Plan, family: string): void {
  plan.erased[family] = (plan.erased[family] ?? 0) + 1;
}

/** Counts a key of an external id that is left out; `name` encrypts its name. */
export async function countDangling({ dangling }: Plan, name: () => Promise<LedgerKey>): Promise<void> {
  dangling.count += 1;
  if (dangling.names.length < EXAMPLES) dangling.names.push(await name());
}

/** Adds one plan to another, in place. */
export function addPlan(to: Plan, from: Plan): void {
  for (const action of ACTIONS) to.total[action] += from.total[action];
  for (const [family, tally] of Object.entries(from.byFamily)) {
    const sum = (to.byFamily[family] ??= noTally());
    for (const action of ACTIONS) sum[action] += tally[action];
  }
  for (const [family, reasons] of Object.entries(from.reasons)) {
    const sum = (to.reasons[family] ??= noReasons());
    for (const reason of REASONS) sum[reason] += reasons[reason];
  }
  for (const [family, failed] of Object.entries(from.failsWork)) {
    to.failsWork[family] = (to.failsWork[family] ?? 0) + failed;
  }
  for (const [type, count] of Object.entries(from.types)) to.types[type] = (to.types[type] ?? 0) + count;
  for (const [family, erased] of Object.entries(from.erased)) {
    to.erased[family] = (to.erased[family] ?? 0) + erased;
  }
  // Absent in results of older versions.
  const { dangling = noPlan().dangling } = from as Partial<Plan>;
  to.dangling.count += dangling.count;
  to.dangling.names = [...to.dangling.names, ...dangling.names].slice(0, EXAMPLES);
  for (const example of from.examples) if (wantsExample(to, example.action)) to.examples.push(example);
  to.usersJoined += from.usersJoined;
  to.usersLeft += from.usersLeft;
  for (const name of ['added', 'wrongType', 'moved', 'expiry'] as const) to.lists[name] += from.lists[name];
  to.lists.wrong = [...to.lists.wrong, ...from.lists.wrong].slice(0, EXAMPLES);
  for (const lack of from.lacks) addLack(to, lack);
  to.bytes.all += from.bytes.all;
  to.bytes.absent += from.bytes.absent;
}

export function wantsExample(plan: Plan, action: Action): boolean {
  return plan.examples.filter((example) => example.action === action).length < EXAMPLES;
}

/** Counts a key for which the target lacks something; `name` seals its name. */
export async function countLack(plan: Plan, code: LackCode, name: () => Promise<LedgerKey>): Promise<void> {
  const known = plan.lacks.find((lack) => lack.code === code);
  const lack = known ?? { code, count: 0, names: [] };
  if (known === undefined) plan.lacks.push(lack);
  lack.count += 1;
  if (lack.names.length < EXAMPLES) lack.names.push(await name());
}

function noReasons(): Record<Reason, number> {
  return { type: 0, expiry: 0, 'field-expiry': 0, value: 0 };
}

function addLack(plan: Plan, lack: Plan['lacks'][number]): void {
  const known = plan.lacks.find(({ code }) => code === lack.code);
  if (known === undefined) plan.lacks.push({ ...lack, names: [...lack.names] });
  else {
    known.count += lack.count;
    known.names.push(...lack.names.slice(0, Math.max(0, EXAMPLES - known.names.length)));
  }
}
