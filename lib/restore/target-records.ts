import { buildKey, classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { memberListOf } from '../soulcaster/member-lists.js';
import { failInFlight, canBeInFlight } from '../soulcaster/in-flight.js';
import { keyOf, type RecordLine } from '../snapshot/record.js';
import type { Text } from '../snapshot/text.js';
import type { RestoreContext } from './context.js';
import { withoutErased } from './erased.js';
import { isExpired, withExpiry } from './expiry.js';
import type { SourceRecord } from '../snapshot/source-records.js';
import type { RestoreInput, TargetRecord } from './model.js';
import { itemsIn } from './selected.js';
import { isStaged } from './staged.js';

type Context = Pick<RestoreContext, 'belongs' | 'erased' | 'expiry' | 'input' | 'state'>;

/** The records of the scope as they are to stand in the target. `onErased` is called with each that is left out as erased. */
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

/** The same of records in batches. */
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
  // What a restore that died left staged is in snapshots that were taken meanwhile, and is nobody's.
  if (isStaged(name)) return null;
  const key = classifyKey(name.toString('utf8'));
  const isList = memberListOf(key)?.type === stored.first.t;
  const found = belongs(name, key);
  // No item stands in what should be a list of items and is none. What a restore of items wrote over comes back whole.
  const part = found === 'partial' && !isList && input.undoes ? 'owned' : found;
  if (part !== 'owned' && part !== 'partial') return null;
  if (erased.has(key)) {
    onErased(key);
    return null;
  }
  const record = erased.mayList(key) ? withoutErased(stored, erased) : stored;
  if (part === 'partial' && !isList) return null;
  const { first, rest } = part === 'owned' ? record : ofItems(record, key, input.scope, state.goneClusters);
  if (part === 'partial' && (isExpired(first, expiry) || (rest === null && isEmptied(first)))) return null;
  const seen = { failsWork: false };
  const shape = (line: RecordLine): RecordLine => {
    const over = input.settle ? withFailedJobs(key, line) : line;
    seen.failsWork ||= over !== line;
    return withExpiry(over, expiry);
  };
  const shaped = shape(first);
  const failsWork = (): boolean => seen.failsWork;
  // Of a stored value nothing but the expiry can have changed, and it is not empty.
  if (stored.stored !== undefined && first === stored.first && !seen.failsWork) {
    return { first: shaped, rest: null, expired: isExpired(first, expiry), stored: stored.stored, failsWork };
  }
  const isEmpty = rest === null && isEmptied(shaped) && (shaped.t === 'hash' || record !== stored);
  const expired = isExpired(first, expiry) || isEmpty;
  const unsettled = seen.failsWork && rest === null ? { unsettled: withExpiry(first, expiry) } : {};
  const lines = rest === null ? null : mapped(rest, shape);
  return { first: shaped, rest: lines, expired, ...unsettled, failsWork };
}

/** Of a list of items the scope's alone. Those of a cluster that is gone are put as unclustered. */
function ofItems(
  { first, rest }: SourceRecord,
  key: ClassifiedKey,
  scope: RestoreInput['scope'],
  goneClusters: RestoreContext['state']['goneClusters'],
): SourceRecord {
  const items = itemsIn(scope, key.project);
  const isGone = goneClusters.some(({ project, cluster }) => project === key.project && cluster === key.cluster);
  const k = isGone ? buildKey('feedback-unclustered', { project: key.project }) : first.k;
  const shape = (line: RecordLine): RecordLine => ({ ...line, k, v: membersAmong(line, items) });
  return { first: shape(first), rest: rest === null ? null : mapped(rest, shape) };
}

function membersAmong({ t, v }: RecordLine, items: ReadonlySet<string>): RecordLine['v'] {
  if (t === 'set') return (v as readonly Text[]).filter((member) => typeof member === 'string' && items.has(member));
  return (v as readonly (readonly [Text, string])[]).filter(
    ([member]) => typeof member === 'string' && items.has(member),
  );
}

/** A collection without members is not there, nor a hash all of whose fields have expired. */
function isEmptied(line: RecordLine): boolean {
  return Array.isArray(line.v) && line.v.length === 0;
}

async function* mapped(
  lines: AsyncIterable<RecordLine>,
  shape: (line: RecordLine) => RecordLine,
): AsyncGenerator<RecordLine> {
  for await (const line of lines) yield shape(line);
}

function withFailedJobs(key: ClassifiedKey, line: RecordLine): RecordLine {
  if (line.t !== 'hash' || !canBeInFlight(key)) return line;
  const fields = failInFlight(key, line.v as readonly (readonly [Text, Text])[]);
  return fields === null ? line : { ...line, v: fields };
}
