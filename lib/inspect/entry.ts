import { contentBuilder, type Content, type FieldRule } from '../restore/compare/content.js';
import { toArgument, type RecordLine } from '../snapshot/record.js';
import { keyHash } from '../redis/key-sets.js';
import type { ClassifiedKey } from '../soulcaster/keys.js';
import { fieldOf, type Fields } from '../soulcaster/text.js';
import type { KeyRecord } from './records.js';

/** A key on one side of a comparison. */
export interface Entry {
  readonly key: Buffer;
  readonly known: ClassifiedKey;
  /** The project that the key names; of a job, the one in its `project_id` field. */
  readonly project: string | null;
  readonly type: string;
  /** Null for a value that no record can hold: a module's type, or too large to be read. */
  readonly digest: { readonly value: bigint; readonly expiry: number } | null;
  /** The record, where it is a single line. */
  readonly line: RecordLine | null;
}

/** Horizon 0: both sides are in the past, so no field is treated as about to expire. */
export const PLAIN_RULE: FieldRule = { fieldExpiry: true, horizon: 0 };

/** Reads the record's `rest`. */
export async function entryOf({ first, key, known, rest }: KeyRecord): Promise<Entry> {
  const content = contentBuilder(first, PLAIN_RULE);
  for await (const line of rest ?? []) content.add(line);
  return entryFrom(key, known, content.finish(), first, rest === null);
}

/** `first` is the record's first line, `isWhole` whether it is the only one. */
export function entryFrom(
  key: Buffer,
  known: ClassifiedKey,
  content: Content,
  first: RecordLine | null,
  isWhole: boolean,
): Entry {
  const { expiry, fields, stream, type, value } = content;
  return {
    key,
    known,
    project: projectOf(known, first),
    type,
    digest: {
      value: hashOf(`${value} ${stream?.exact ?? ''}`),
      expiry: Number(hashOf(`${expiry === undefined ? '' : String(toArgument(expiry))} ${fields}`) & 0xffffffffn),
    },
    line: isWhole ? first : null,
  };
}

export function projectOf({ family, project }: ClassifiedKey, line: RecordLine | null): string | null {
  if (project !== null || family !== 'job' || line?.t !== 'hash') return project;
  return fieldOf(line.v as Fields, 'project_id');
}

function hashOf(text: string): bigint {
  return keyHash(Buffer.from(text));
}
