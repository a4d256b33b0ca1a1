import { buildKey, classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { memberListOf } from '../soulcaster/member-lists.js';
import { failInFlight, canBeInFlight } from '../soulcaster/in-flight.js';
import { keyOf, type RecordLine } from '../snapshot/record.js';
import type { Text } from '../soulcaster/text.js';
import type { RestoreContext } from './context.js';
import { withoutErased } from './erased.js';
import { isExpired, withExpiry } from './expiry.js';
import type { SourceRecord } from '../snapshot/source-records.js';
import type { RestoreInput, TargetRecord } from './model.js';
import { itemsIn } from './selected.js';
import { isStaged } from './staged.js';

type Context = Pick<RestoreContext, 'belongs' | 'erased' | 'expiry' | 'input' | 'state'>;

/** The records of the scope as they must be in the target. `onErased` is called for each that is left out as erased. */
export async function* targetRecords(
  records: AsyncIterable<SourceRecord>,
  context: Context,
  onErased?: (key: ClassifiedKey) => void,
): AsyncGenerator<TargetRecord> {
  for await (const stored of records) {
    const record = targetRecord(stored, context, onErased);
    if (record !== null) yield record;
  }
}

/** The same for batches of records. */
export async function* targetBatches(
  batches: AsyncIterable<readonly SourceRecord[]>,
  context: Context,
): AsyncGenerator<readonly TargetRecord[]> {
  for await (const batch of batches) {
    yield batch.flatMap((stored) => targetRecord(stored, context) ?? []);
  }
}

function targetRecord(
  stored: SourceRecord,
  { belongs, erased, expiry, input, state }: Context,
  onErased: (key: ClassifiedKey) => void = () => undefined,
): TargetRecord | null {
  const name = keyOf(stored.first);
  // Staged keys of a restore that died are in snapshots taken meanwhile; they belong to nobody.
  if (isStaged(name)) return null;
  const key = classifyKey(name.toString('utf8'));
  const isList = memberListOf(key)?.type === stored.first.t;
  const found = belongs(name, key);
  // A key of another type than a list of items holds no item; undoing a restore of items restores it whole.
  const part = found === 'partial' && !isList && input.undoes ? 'owned' : found;
  if (part !== 'owned' && part !== 'partial') return null;
  if (erased.has(key)) {
    onErased(key);
    return null;
  }
  const record = erased.mayList(key) ? withoutErased(stored, erased) : stored;
  if (part === 'partial' && !isList) return null;
  const { first, rest } = part === 'owned' ? record : keepItems(record, key, input.scope, state.goneClusters);
  if (part === 'partial' && (isExpired(first, expiry) || (rest === null && hasNoElements(first)))) return null;
  const work = { hasFailed: false };
  const shape = (line: RecordLine): RecordLine => {
    const restored = input.settle ? withFailedWork(key, line) : line;
    work.hasFailed ||= restored !== line;
    return withExpiry(restored, expiry);
  };
  const shaped = shape(first);
  const failsWork = (): boolean => work.hasFailed;
  // Only the expiry of a stored value can have changed, and the value is not empty.
  if (stored.stored !== undefined && first === stored.first && !work.hasFailed) {
    return { first: shaped, rest: null, expired: isExpired(first, expiry), stored: stored.stored, failsWork };
  }
  const isEmpty = rest === null && hasNoElements(shaped) && (shaped.t === 'hash' || record !== stored);
  const expired = isExpired(first, expiry) || isEmpty;
  const stillInFlight = work.hasFailed && rest === null ? { stillInFlight: withExpiry(first, expiry) } : {};
  const lines = rest === null ? null : mapLines(rest, shape);
  return { first: shaped, rest: lines, expired, ...stillInFlight, failsWork };
}

/** Keeps only the scope's items of a list. Items of a cluster that is gone are put into the unclustered list. */
function keepItems(
  { first, rest }: SourceRecord,
  key: ClassifiedKey,
  scope: RestoreInput['scope'],
  goneClusters: RestoreContext['state']['goneClusters'],
): SourceRecord {
  const items = itemsIn(scope, key.project);
  const isGone = goneClusters.some(({ project, cluster }) => project === key.project && cluster === key.cluster);
  const k = isGone ? buildKey('feedback-unclustered', { project: key.project }) : first.k;
  const shape = (line: RecordLine): RecordLine => ({ ...line, k, v: membersAmong(line, items) });
  return { first: shape(first), rest: rest === null ? null : mapLines(rest, shape) };
}

function membersAmong({ t, v }: RecordLine, items: ReadonlySet<string>): RecordLine['v'] {
  if (t === 'set') return (v as readonly Text[]).filter((member) => typeof member === 'string' && items.has(member));
  return (v as readonly (readonly [Text, string])[]).filter(
    ([member]) => typeof member === 'string' && items.has(member),
  );
}

/** Whether a collection has no members left, or a hash no unexpired fields: such a key does not exist. */
function hasNoElements(line: RecordLine): boolean {
  return Array.isArray(line.v) && line.v.length === 0;
}

async function* mapLines(
  lines: AsyncIterable<RecordLine>,
  shape: (line: RecordLine) => RecordLine,
): AsyncGenerator<RecordLine> {
  for await (const line of lines) yield shape(line);
}

function withFailedWork(key: ClassifiedKey, line: RecordLine): RecordLine {
  if (line.t !== 'hash' || !canBeInFlight(key)) return line;
  const fields = failInFlight(key, line.v as readonly (readonly [Text, Text])[]);
  return fields === null ? line : { ...line, v: fields };
}
