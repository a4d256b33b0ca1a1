import { taskResult } from '../../runs/markers.js';
import type { RunRecord } from '../../runs/model.js';
import { encryptName } from '../../snapshot/ledger.js';
import { keyOf } from '../../snapshot/record.js';
import { fromText, type Text } from '../../soulcaster/text.js';
import { buildKey, classifyKey } from '../../soulcaster/keys.js';
import type { KeySet } from '../../redis/key-sets.js';
import { bitReader, countDangling, type BitWriter, type Plan } from '../plan.js';
import type { RestoreContext, RestorePorts } from '../context.js';
import type { TargetRecord } from '../model.js';
import { sizeOf } from '../write/size.js';
import { findExisting } from './compare-pages.js';

/** A part of the result of a plan's task. A type, not an interface: it is stored as JSON. */
export type PlannedDangling = {
  /** One bit for each key of an external id whose item the snapshot lacks, in order: whether it is left out. */
  readonly dangling: string;
};

/** Records that wait for one request which asks about their items. */
const BATCH_RECORDS = 500;
const BATCH_BYTES = 1024 * 1024;

/** The item that a key of an external id points to, where the snapshot lacks it; null for any other record. */
function itemOutside({ first, rest }: TargetRecord, keys: KeySet): Buffer | null {
  if (first.t !== 'string' || rest !== null) return null;
  const { family, project } = classifyKey(keyOf(first).toString('utf8'));
  if (family !== 'feedback-external') return null;
  const item = Buffer.from(buildKey('feedback', { project, item: fromText(first.v as Text).toString('utf8') }));
  return keys.has(item) ? null : item;
}

/**
 * Leaves out keys of external ids whose item neither the snapshot nor the target has: such a key must not take the place of one that
 * points to an item. A snapshot of a selection may lack the items that the target has. An undo leaves out nothing. `bits` gets one bit
 * for each record whose item the snapshot lacks, for `plannedDangling`: the target may have changed when the records are written.
 */
export async function* withoutDangling(
  { encryptor }: Pick<RestorePorts, 'encryptor'>,
  { input, redis, state }: RestoreContext,
  keys: KeySet,
  records: AsyncIterable<TargetRecord>,
  plan: Plan,
  bits: BitWriter,
): AsyncGenerator<TargetRecord> {
  let waiting: { readonly record: TargetRecord; readonly item: Buffer | null }[] = [];
  let bytes = 0;
  const flush = async function* (): AsyncGenerator<TargetRecord> {
    const some = waiting;
    [waiting, bytes] = [[], 0];
    const items = some.flatMap(({ item, record }) => (item === null || record.expired ? [] : [item]));
    const there = state.targetEmpty || input.undoes ? new Set<string>() : await findExisting(redis, items);
    for (const { record, item } of some) {
      const isDangling = item !== null && !record.expired && !input.undoes && !there.has(item.toString('utf8'));
      if (item !== null) bits.push(isDangling);
      if (isDangling) await countDangling(plan, () => encryptName(encryptor, keyOf(record.first)));
      else yield record;
    }
  };
  for await (const record of records) {
    const item = itemOutside(record, keys);
    if (record.rest !== null) {
      // Its lines must be read before the next record is asked for.
      yield* flush();
      yield record;
      continue;
    }
    if (waiting.length === 0 && item === null) {
      yield record;
      continue;
    }
    waiting.push({ record, item });
    bytes += sizeOf(record.first).bytes;
    if (waiting.length >= BATCH_RECORDS || bytes >= BATCH_BYTES) yield* flush();
  }
  yield* flush();
}

/** Tells the records that the plan of a task left out as dangling; to be called once with each record, in order. */
export async function plannedDangling(
  { store }: Pick<RestorePorts, 'store'>,
  { id }: Pick<RunRecord, 'id'>,
  task: number,
  keys: KeySet,
): Promise<(record: TargetRecord) => boolean> {
  const { dangling } = (await taskResult(store, id, 'plan', task)) as unknown as PlannedDangling;
  const isLeftOut = bitReader(dangling);
  let at = 0;
  return (record) => itemOutside(record, keys) !== null && isLeftOut(at++);
}
