import type { Json } from '../json.js';
import type { RunRecord } from '../runs/model.js';
import { keyOf, isDue } from '../snapshot/record.js';
import { keepLocks } from '../soulcaster/locks.js';
import type { RedisPort } from '../ports/redis.js';
import {
  compareOptions,
  openContext,
  spentSince,
  type RestoreContext,
  type RestorePorts,
  type RestoreSettings,
  type Spent,
} from './context.js';
import { compareRecords, type Comparison } from './compare/index.js';
import type { RestoreInput, TargetRecord } from './model.js';
import { comparedRecordsOf, recordsOf } from './target-records.js';
import { listMode } from './scope.js';
import { proveKept, savedLists } from './unite/prove-kept.js';
import { proveLists, provenRecords } from './unite/tasks.js';
import { countKey, noProof, type Proof, type Verdict } from './proof.js';
import { countKeys } from './target.js';

/** A type, not an interface: it is stored as JSON. */
export type ProofResult = { readonly proof: Proof; readonly lasting?: Lasting; readonly spent: Spent };

/** Compares every key of one part with its record. Tasks beyond the parts compare lists with the safety snapshot. */
export async function proveTask(
  ports: RestorePorts,
  settings: RestoreSettings,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const { input, redis, state } = context;
  const before = redis.usage();
  await keepLocks(redis, state.projects, run.id);
  const proof = noProof();
  const saved = task < state.parts.length ? null : await savedLists(ports, context);
  if (saved !== null) {
    const part = task - state.parts.length;
    await proveKept(ports, context, run.id, saved, part, proof, () => allRecords(ports, context));
    return { proof, spent: spentSince(redis, before) };
  }
  const options = await compareOptions(context, settings, signal);
  const lists = listMode(input) === 'replace' ? null : await proveLists(ports, context, run.id, proof);
  const records = provenRecords(ports, context, run, task, comparedRecordsOf(ports, context, task), lists);
  const lasting = lastingCounter(context);
  for await (const compared of compareRecords(redis, records, options)) {
    lasting.add(compared);
    const { difference, record } = compared;
    await countKey(ports, proof, keyOf(record.first), verdictOf(compared, input), difference);
  }
  await lists?.finish();
  return { proof, lasting: lasting.total(), spent: spentSince(redis, before) };
}

async function* allRecords(ports: RestorePorts, context: RestoreContext): AsyncGenerator<TargetRecord> {
  for (const task of context.state.parts.keys()) yield* recordsOf(ports, context, task);
}

function verdictOf(
  { record, live, over, unsavable }: Comparison,
  { mode, safety }: Pick<RestoreInput, 'mode' | 'safety'>,
): Verdict {
  // The record may have expired since the plan.
  const isOver = record.expired || over;
  if (live === 'equal') return 'equal';
  if (live === 'absent') return isOver ? 'expired' : 'missing';
  if (mode === 'missing') return 'kept';
  if (isOver && mode !== 'replace') return 'kept';
  return unsavable && safety ? 'blocked' : 'different';
}

const DAY_MS = 86_400_000;

/** Keys that the proof found in the target and that cannot have expired since. A type: it is stored as JSON. */
export type Lasting = {
  /** Keys without an expiry. */
  readonly ever: number;
  /** Keys that expire more than a day after `from`. */
  readonly day: number;
  /** When the keys were proven, in milliseconds since the epoch. */
  readonly from: number;
};

/** Fewer keys in the database at the end than were proven: some were lost since. */
export type Gone = { readonly proven: number; readonly there: number };

/** Counts the keys that are there to stay. */
function lastingCounter({ expiry: { now, rule }, manifest }: Pick<RestoreContext, 'expiry' | 'manifest'>): {
  readonly add: (compared: Comparison) => void;
  readonly total: () => Lasting;
} {
  let [ever, day] = [0, 0];
  const knowsFields = rule === 'drop' || manifest.fieldExpiry === 'none';
  return {
    add({ record: { first, rest }, live, difference, unsavable }) {
      // If only the value differs, the key exists, with the expiry of the record.
      const isThere = live === 'equal' || (difference === 'value' && !unsavable);
      const mayEmpty = first.t === 'hash' && !knowsFields && (rest !== null || first.fx !== undefined);
      const isEmpty = rest === null && Array.isArray(first.v) && first.v.length === 0 && first.t !== 'stream';
      if (!isThere || mayEmpty || isEmpty) return;
      if (first.x === undefined) ever += 1;
      else if (!isDue(first.x, now + DAY_MS)) day += 1;
    },
    total: () => ({ ever, day, from: now }),
  };
}

/** Adds up the counts of the proof's tasks; absent in results of older versions. */
export function addLasting(a: Lasting | undefined, b: Lasting | undefined): Lasting {
  const [one, two] = [a ?? NONE, b ?? NONE];
  return { ever: one.ever + two.ever, day: one.day + two.day, from: Math.min(one.from, two.from) };
}

const NONE: Lasting = { ever: 0, day: 0, from: Number.MAX_SAFE_INTEGER };

/** Compares the size of the database with the proven keys: it may have been emptied since, or another server answers. */
export async function findGone(redis: RedisPort, { day, ever, from }: Lasting, now: number): Promise<Gone | null> {
  const proven = ever + (now - from < DAY_MS ? day : 0);
  const there = await countKeys(redis);
  return there < proven ? { proven, there } : null;
}
