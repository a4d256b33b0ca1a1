import type { Json } from '../json.js';
import type { RunRecord } from '../runs/model.js';
import { classifyKey } from '../soulcaster/keys.js';
import { encryptName } from '../snapshot/ledger.js';
import { keyOf } from '../snapshot/record.js';
import type { LedgerKey } from '../snapshot/manifest.js';
import { stopIfAborted } from './compare/read-live.js';
import { recordsOf, comparedRecordsOf } from './target-records.js';
import {
  bitWriter,
  countAction,
  countErased,
  countFailed,
  countLack,
  countReason,
  countType,
  noPlan,
  isWrite,
  addExample,
  type Action,
  type Plan,
} from './plan.js';
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
import { probeAbilities, lackFinder, needsMeter, type LackCode } from './abilities.js';
import { foundSaver, type Saved } from './safety.js';
import { isEmpty } from './write/size.js';
import type { RestoreInput, TargetRecord } from './model.js';
import { listMode } from './scope.js';
import type { PlannedDangling } from './unite/dangling.js';
import { planLists, plannedRecords } from './unite/tasks.js';

/** A type, not an interface: it is stored as JSON. */
export type PlanResult = PlannedDangling & {
  readonly plan: Plan;
  /** One bit for each record of the scope in this part, in order: whether to write or remove it. Null: write all. */
  readonly acts: string | null;
  readonly spent: Spent;
  /** Absent when the plan saves nothing, and in results of older versions. */
  readonly saved?: Saved;
};

const NAMED: readonly Action[] = ['overwrite', 'unite', 'fail', 'keep', 'blocked', 'remove'];

/** Plans what to do with the keys of one part, finds what the target lacks, and saves what was read of the target. */
export async function planTask(
  ports: RestorePorts,
  settings: RestoreSettings,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const before = context.redis.usage();
  const plan = noPlan();
  const acts = bitWriter();
  const dangling = bitWriter();
  const meter = needsMeter();
  const finder = lackFinder(context.redis, context.state.abilities ?? (await probeAbilities(context.redis)));
  const lists =
    listMode(context.input) === 'replace' ? null : await planLists(ports, context, run.id, task, plan, finder);
  const read = context.state.targetEmpty ? recordsOf : comparedRecordsOf;
  const found = read(ports, context, task, ({ family }) => countErased(plan, family));
  const records = meter.measureAll(plannedRecords(ports, context, run.id, found, lists, plan, dangling));
  const saver = context.state.safety === null ? null : foundSaver(ports, settings.safety, run, task);
  for await (const compared of comparisons(settings, context, records, signal)) {
    const action = actionOf(compared, context.input);
    acts.push(isWrite(action) || action === 'remove');
    await saver?.save(compared);
    await countComparison(ports, context.input, plan, compared, action, async () => {
      const needs = meter.needsOf(compared.record);
      plan.bytes.all += needs.bytes;
      if (action === 'write') plan.bytes.absent += needs.bytes;
      return finder.find(needs);
    });
  }
  await lists?.finish();
  const bits = context.state.targetEmpty ? null : acts.base64();
  const saved = await saver?.close();
  const spent = spentSince(context.redis, before);
  return { plan, acts: bits, dangling: dangling.base64(), spent, ...(saved === undefined ? {} : { saved }) };
}

async function countComparison(
  { encryptor }: RestorePorts,
  { scope }: Pick<RestoreInput, 'scope'>,
  plan: Plan,
  { record, difference }: Comparison,
  action: Action,
  lacks: () => Promise<LackCode[]>,
): Promise<void> {
  const key = keyOf(record.first);
  const { family } = classifyKey(key.toString('utf8'));
  countAction(plan, family, action);
  if (action === 'overwrite' && difference !== null) countReason(plan, family, difference);
  // Every written key of an item is named: there are only a few.
  const isNamed = NAMED.includes(action) || (action === 'write' && 'items' in scope);
  const name = (): Promise<LedgerKey> => encryptName(encryptor, key);
  if (isNamed) await addExample(plan, action, name);
  if (!isWrite(action)) return;
  countType(plan, record.first.t);
  if (record.failsWork?.() === true) countFailed(plan, family);
  for (const code of await lacks()) await countLack(plan, code, name);
}

async function* comparisons(
  settings: RestoreSettings,
  context: RestoreContext,
  records: AsyncGenerator<TargetRecord>,
  signal: AbortSignal,
): AsyncGenerator<Comparison> {
  if (!context.state.targetEmpty) {
    const options = await compareOptions(context, settings, signal);
    yield* compareRecords(context.redis, records, options);
    return;
  }
  for await (const record of records) {
    let hasValue = record.rest === null || !isEmpty(record.first);
    for await (const line of record.rest ?? []) {
      stopIfAborted(signal);
      hasValue ||= !isEmpty(line);
    }
    stopIfAborted(signal);
    yield { record, live: 'absent', difference: null, over: !hasValue, unsavable: false, inFlight: false, found: null };
  }
}

/** What to do with a key, by its comparison with the record. */
function actionOf(
  { record, live, over, unsavable, inFlight }: Comparison,
  { mode, safety }: Pick<RestoreInput, 'mode' | 'safety'>,
): Action {
  const isOver = record.expired || over;
  if (live === 'equal') return 'same';
  if (live === 'absent') return isOver ? 'expired' : 'write';
  if (isOver && mode !== 'replace') return 'expired';
  if (mode === 'missing') return 'keep';
  // A value that cannot be saved could not be restored: it is replaced only if the request skips the safety snapshot.
  if (unsavable && safety) return 'blocked';
  if (isOver) return 'remove';
  return inFlight ? 'fail' : 'overwrite';
}
