import { settleFields, isEphemeral } from '../soulcaster/settle.js';
import { belongs, type ProjectFacts } from '../soulcaster/project-scope.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { keyOf, type RecordLine } from '../snapshot/record.js';
import type { Text } from '../snapshot/text.js';
import { isExpired, withExpiry, type ExpiryPlan } from './expiry.js';
import type { RestoreInput, SourceRecord, TargetRecord } from './model.js';

/** Whether a key is to end up as the snapshot has it. Locks never are: who held one is gone. */
export function inScope(input: Pick<RestoreInput, 'scope'>, facts: ProjectFacts, key: ClassifiedKey): boolean {
  if (isEphemeral(key)) return false;
  return 'all' in input.scope || belongs(input.scope.project, facts, key) === 'owned';
}

/** The records of the scope as they are to stand in the target. */
export async function* targetRecords(
  records: AsyncIterable<SourceRecord>,
  input: Pick<RestoreInput, 'scope' | 'settle'>,
  facts: ProjectFacts,
  expiry: ExpiryPlan,
): AsyncGenerator<TargetRecord> {
  for await (const { first, rest } of records) {
    const key = classifyKey(keyOf(first).toString('utf8'));
    if (!inScope(input, facts, key)) continue;
    const seen = { failsWork: false };
    const shape = (line: RecordLine): RecordLine => {
      const over = input.settle ? settled(key, line) : line;
      seen.failsWork ||= over !== line;
      return withExpiry(over, expiry);
    };
    const shaped = shape(first);
    const expired = isExpired(first, expiry) || (rest === null && isEmptied(shaped));
    const unsettled = seen.failsWork && rest === null ? { unsettled: withExpiry(first, expiry) } : {};
    const lines = rest === null ? null : mapped(rest, shape);
    yield { first: shaped, rest: lines, expired, ...unsettled, failsWork: () => seen.failsWork };
  }
}

/** A hash all of whose fields have expired is not there: Redis has no empty collections. */
function isEmptied(line: RecordLine): boolean {
  return line.t === 'hash' && Array.isArray(line.v) && line.v.length === 0;
}

async function* mapped(
  lines: AsyncIterable<RecordLine>,
  shape: (line: RecordLine) => RecordLine,
): AsyncGenerator<RecordLine> {
  for await (const line of lines) yield shape(line);
}

function settled(key: ClassifiedKey, line: RecordLine): RecordLine {
  if (line.t !== 'hash') return line;
  const fields = settleFields(key, line.v as readonly (readonly [Text, Text])[]);
  return fields === null ? line : { ...line, v: fields };
}
