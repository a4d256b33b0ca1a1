import { toAppError } from '../errors.js';
import type { Json } from '../json.js';
import type { RunRecord } from '../runs/model.js';
import { classifyKey } from '../soulcaster/keys.js';
import { sealName } from '../snapshot/ledger.js';
import { keyOf } from '../snapshot/record.js';
import { bitWriter } from './bits.js';
import { compareOptions } from './compare-options.js';
import { compareRecords, type Live } from './compare/index.js';
import {
  openContext,
  spentSince,
  type RestoreContext,
  type RestorePorts,
  type RestoreSettings,
  type Spent,
} from './context.js';
import type { Mode, TargetRecord } from './model.js';
import { countAction, noPlan, wantsExample, type Action, type Plan } from './plan-counts.js';
import { sourceRecords } from './source.js';
import { targetRecords } from './target-records.js';
import { planLists, valueRecords } from './unite/tasks.js';

/** A type, not an interface: it is stored as JSON. */
export type PlanResult = {
  readonly plan: Plan;
  /** One bit for each record of the scope in this part, in order: whether anything is to be done. Null: for all. */
  readonly acts: string | null;
  readonly spent: Spent;
};

const TOLD: readonly Action[] = ['overwrite', 'unite', 'keep', 'remove'];

/** Finds what a restore would do with the keys of one part. Reads only. */
export async function planTask(
  ports: RestorePorts,
  settings: RestoreSettings,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run);
  const before = context.redis.usage();
  const plan = noPlan();
  const acts = bitWriter();
  const lists = context.input.mode === 'replace' ? null : await planLists(ports, context, run.id, task, plan);
  const records = valueRecords(ports, context, run.id, recordsOf(ports, context, task), lists);
  for await (const { record, live } of comparisons(settings, context, records, signal)) {
    const action = actionOf(record, live, context.input.mode);
    const key = keyOf(record.first);
    countAction(plan, classifyKey(key.toString('utf8')).family, action);
    acts.push(action === 'write' || action === 'overwrite' || action === 'remove');
    if (TOLD.includes(action) && wantsExample(plan, action)) {
      plan.examples.push({ action, key: await sealName(ports.sealer, key) });
    }
  }
  const bits = context.state.targetEmpty ? null : acts.base64();
  return { plan, acts: bits, spent: spentSince(context.redis, before) };
}

/** The records of the scope that begin in the part that a task is for. */
export function recordsOf(ports: RestorePorts, context: RestoreContext, task: number): AsyncGenerator<TargetRecord> {
  const { input, state, manifest, facts, expiry } = context;
  const part = state.parts[task] ?? manifest.parts.length;
  return targetRecords(sourceRecords(ports, manifest, part), input, facts, expiry);
}

async function* comparisons(
  settings: RestoreSettings,
  context: RestoreContext,
  records: AsyncGenerator<TargetRecord>,
  signal: AbortSignal,
): AsyncGenerator<{ record: TargetRecord; live: Live }> {
  if (!context.state.targetEmpty) {
    yield* compareRecords(context.redis, records, await compareOptions(context, settings, signal));
    return;
  }
  for await (const record of records) {
    if (signal.aborted) throw toAppError(signal.reason);
    yield { record, live: 'absent' };
  }
}

function actionOf(record: TargetRecord, live: Live, mode: Mode): Action {
  if (record.expired) return live !== 'absent' && mode === 'replace' ? 'remove' : 'expired';
  if (live === 'absent') return 'write';
  if (live === 'equal') return 'same';
  return mode === 'missing' ? 'keep' : 'overwrite';
}
