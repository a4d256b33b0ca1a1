import { buildKey, classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { memberListOf } from '../soulcaster/member-lists.js';
import { failInFlight, canBeInFlight } from '../soulcaster/in-flight.js';
import { keyOf, isDue, shiftExpiry, type RecordLine, type ExpiryTime } from '../snapshot/record.js';
import type { Text } from '../soulcaster/text.js';
import { sourceBatches, sourceRecords, type SourceRecord } from '../snapshot/source-records.js';
import type { RestoreContext, RestorePorts, ExpiryPlan } from './context.js';
import { withoutErased } from './erased.js';
import type { RestoreInput, TargetRecord } from './model.js';
import { itemsIn } from './scope.js';
import { isStaged } from './target.js';

/**
 * The records of the scope that begin in the task's part, as they must be in the target. `onErased` is called for each that is left
 * out as erased.
 */
export async function* recordsOf(
  ports: RestorePorts,
  context: RestoreContext,
  task: number,
  onErased?: (key: ClassifiedKey) => void,
): AsyncGenerator<TargetRecord> {
  for await (const stored of sourceRecords(ports, context.manifest, partOf(context, task))) {
    const record = targetRecord(stored, context, onErased);
    if (record !== null) yield record;
  }
}

/** The same records in batches, whose values are as they are stored where nothing of them has to be changed. */
export async function* storedRecordsOf(
  ports: RestorePorts,
  context: RestoreContext,
  task: number,
): AsyncGenerator<readonly TargetRecord[]> {
  for await (const batch of sourceBatches(ports, context.manifest, partOf(context, task), 'stored')) {
    yield batch.flatMap((stored) => targetRecord(stored, context) ?? []);
  }
}

function partOf({ manifest, state }: RestoreContext, task: number): number {
  return state.parts[task] ?? manifest.parts.length;
}

/** The same records with expired fields, for comparison: the target may still have them. */
export function comparedRecordsOf(
  ports: RestorePorts,
  context: RestoreContext,
  task: number,
  onErased?: (key: ClassifiedKey) => void,
): AsyncGenerator<TargetRecord> {
  return recordsOf(ports, { ...context, expiry: { ...context.expiry, keepsOver: true } }, task, onErased);
}

function targetRecord(
  stored: SourceRecord,
  { belongs, erased, expiry, input, state }: RestoreContext,
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

/** Whether the key has expired and must not be in the target. */
function isExpired(line: RecordLine, plan: ExpiryPlan): boolean {
  return plan.rule !== 'drop' && line.x !== undefined && isDue(expiryUnder(line.x, plan), plan.now);
}

/** The line with the expiry of its key and fields as the rule gives it; expired fields are removed. */
function withExpiry(line: RecordLine, plan: ExpiryPlan): RecordLine {
  if (line.fx === undefined && (line.x === undefined || plan.rule === 'keep')) return line;
  const { x, fx, ...rest } = line;
  if (plan.rule === 'drop') return rest;
  const kept = { ...rest, ...(x === undefined ? {} : { x: expiryUnder(x, plan) }) };
  return fx === undefined ? kept : withFields(kept, fx, plan);
}

function withFields(line: RecordLine, fx: NonNullable<RecordLine['fx']>, plan: ExpiryPlan): RecordLine {
  const isOver = (time: ExpiryTime): boolean => plan.keepsOver !== true && isDue(expiryUnder(time, plan), plan.now);
  const over = new Set(fx.filter(([, time]) => isOver(time)).map(([field]) => nameOf(field)));
  const pairs = line.v as readonly (readonly [unknown, unknown])[];
  const v = pairs.filter(([field]) => !over.has(nameOf(field))) as unknown as RecordLine['v'];
  const left = fx
    .filter(([field]) => !over.has(nameOf(field)))
    .map(([field, time]) => [field, expiryUnder(time, plan)] as const);
  return { ...line, v, ...(left.length === 0 ? {} : { fx: left }) };
}

function nameOf(field: unknown): string {
  return JSON.stringify(field);
}

function expiryUnder(time: ExpiryTime, { rule, shiftMs }: ExpiryPlan): ExpiryTime {
  return rule === 'shift' ? shiftExpiry(time, shiftMs) : time;
}
