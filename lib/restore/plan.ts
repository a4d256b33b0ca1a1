import { z } from 'zod';
import { ledgerKeySchema, type LedgerKey } from '../snapshot/manifest.js';
import { lackSchema, type LackCode } from './abilities.js';

/**
 * What the restore does with a key: `write`, the key is absent; `overwrite`, it differs; `unite`, it is a list that
 * gains members or the snapshot's expiry and loses none; `fail`, it is equal except for in-flight work, which becomes
 * failed; `same`, it is equal already, or a list with all of the snapshot's members; `keep`, it differs and the mode
 * keeps it; `blocked`, it would be overwritten or removed, but no snapshot can hold its current value; `expired`, the
 * record has expired; `remove`, the key exists and must not.
 */
export const ACTIONS = ['write', 'overwrite', 'unite', 'fail', 'same', 'keep', 'blocked', 'expired', 'remove'] as const;
export type Action = (typeof ACTIONS)[number];

/** The first difference of an overwritten key. */
export const REASONS = ['type', 'expiry', 'field-expiry', 'value'] as const;
type Reason = (typeof REASONS)[number];

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
  /** First differences of the overwritten keys, by family. */
  reasons: z.record(z.string(), reasonsSchema).default({}),
  /** Keys whose in-flight work becomes failed, by family: those that are written, overwritten or `fail`. */
  failsWork: z.record(z.string(), z.number()).default({}),
  /** Written keys by type, including lists that gain members. */
  types: z.record(z.string(), z.number()).default({}),
  /** The first names of keys that are overwritten, failed, kept, blocked or removed. */
  examples: z.array(z.object({ action: z.enum(ACTIONS), key: ledgerKeySchema })),
  /** Users' sets that gain the project; they lose none. */
  usersJoined: z.number(),
  /** Users' sets that lose the project: only when the restore of a project is undone. */
  usersLeft: z.number().default(0),
  /**
   * Lists of members: members added or given another score, lists of another type, members moved, and existing lists
   * that get the snapshot's expiry.
   */
  lists: z
    .object({
      added: z.number(),
      wrongType: z.number(),
      moved: z.number(),
      expiry: count,
      /** The first names of lists that lose members: to another list, or because the snapshot lacks an item there. */
      losing: z.array(ledgerKeySchema).default([]),
      /** The first names of lists that are of another type. */
      wrong: z.array(ledgerKeySchema).default([]),
    })
    .default({ added: 0, wrongType: 0, moved: 0, expiry: 0, losing: [], wrong: [] }),
  /** Keys of the snapshot that are left out because their user or project is on the erasure list, by family. */
  erased: z.record(z.string(), z.number()).default({}),
  /** Keys of external ids that are left out because neither the snapshot nor the target has their items, with the first names. */
  dangling: z.object({ count: z.number(), names: z.array(ledgerKeySchema) }).default({ count: 0, names: [] }),
  /** Clusters that items were in and that no longer exist: the items are restored as unclustered. */
  goneClusters: count,
  /** What the target lacks for the keys to write: if anything, nothing is written. */
  lacks: z.array(lackSchema).default([]),
  /** The least bytes of the names and values to write: in all, and of absent keys. */
  bytes: z.object({ all: z.number(), absent: z.number() }).default({ all: 0, absent: 0 }),
});
export type Plan = z.infer<typeof planSchema>;

/** How many names are kept of each action. */
const EXAMPLES = 20;

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

/** Whether an action writes the record as a value; lists are united by a separate phase. */
export function isWrite(action: Action): boolean {
  return action === 'write' || action === 'overwrite' || action === 'fail';
}

/** Counts in place, since it is called for every key. */
export function countAction(plan: Plan, family: string, action: Action): void {
  plan.total[action] += 1;
  (plan.byFamily[family] ??= noTally())[action] += 1;
}

export function countReason(plan: Plan, family: string, reason: Reason): void {
  (plan.reasons[family] ??= noReasons())[reason] += 1;
}

/** Counts a written key whose work becomes failed. */
export function countFailed(plan: Plan, family: string): void {
  plan.failsWork[family] = (plan.failsWork[family] ?? 0) + 1;
}

/** Counts a written key by its type. */
export function countType(plan: Plan, type: string): void {
  plan.types[type] = (plan.types[type] ?? 0) + 1;
}

export function countErased(plan: Plan, family: string): void {
  plan.erased[family] = (plan.erased[family] ?? 0) + 1;
}

/** Counts a key of an external id that is left out; `name` encrypts its name. */
export async function countDangling({ dangling }: Plan, name: () => Promise<LedgerKey>): Promise<void> {
  dangling.count += 1;
  await addName(dangling.names, name);
}

/** Adds a name to a list unless the list has enough; `name` encrypts it where names are encrypted. */
export async function addName(names: LedgerKey[], name: () => Promise<LedgerKey>): Promise<void> {
  if (names.length < EXAMPLES) names.push(await name());
}

/** Names a key with what is done with it, unless enough keys of this action are named. */
export async function addExample(plan: Plan, action: Action, name: () => Promise<LedgerKey>): Promise<void> {
  if (needsExample(plan, action)) plan.examples.push({ action, key: await name() });
}

/** Adds one plan to another in place. */
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
  for (const example of from.examples) if (needsExample(to, example.action)) to.examples.push(example);
  to.usersJoined += from.usersJoined;
  to.usersLeft += from.usersLeft;
  for (const name of ['added', 'wrongType', 'moved', 'expiry'] as const) to.lists[name] += from.lists[name];
  to.lists.wrong = [...to.lists.wrong, ...from.lists.wrong].slice(0, EXAMPLES);
  for (const lack of from.lacks) addLack(to, lack);
  to.bytes.all += from.bytes.all;
  to.bytes.absent += from.bytes.absent;
}

function needsExample(plan: Plan, action: Action): boolean {
  return plan.examples.filter((example) => example.action === action).length < EXAMPLES;
}

/** Counts a key for which the target lacks something; `name` encrypts the key's name where names are encrypted. */
export async function countLack(plan: Plan, code: LackCode, name: () => Promise<LedgerKey>): Promise<void> {
  const known = plan.lacks.find((lack) => lack.code === code);
  const lack = known ?? { code, count: 0, names: [] };
  if (known === undefined) plan.lacks.push(lack);
  lack.count += 1;
  await addName(lack.names, name);
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

/** A sequence of bits as base64: bit n of the sequence is bit n % 8 of byte n / 8. */
export interface BitWriter {
  push(bit: boolean): void;
  base64(): string;
}

export function bitWriter(): BitWriter {
  const bytes: number[] = [];
  let count = 0;
  return {
    push(bit) {
      if (count % 8 === 0) bytes.push(0);
      if (bit) bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | (1 << (count % 8));
      count += 1;
    },
    base64: () => Buffer.from(bytes).toString('base64'),
  };
}

/** Reads bit n of a BitWriter's output; bits beyond its end are 0. */
export function bitReader(base64: string): (at: number) => boolean {
  const bytes = Buffer.from(base64, 'base64');
  return (at) => ((bytes[at >>> 3] ?? 0) & (1 << (at % 8))) !== 0;
}
