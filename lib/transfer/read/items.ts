import type { RecordLine } from '../../snapshot/record.js';
import type { Text } from '../../snapshot/text.js';
import type { Selection } from '../../soulcaster/selection.js';
import type { TtlUnit } from '../formats.js';

/**
 * What a reader finds, in order. `line`: of a record, as a part has it; the lines of one key follow one another.
 * `lost`: a key that is in the file and cannot be brought into a record (`failed`), or whose type has none (`unsupported`,
 * with the type as reason); `key` is null where the file does not say.
 */
export type Item =
  | { readonly line: RecordLine }
  | { readonly lost: 'failed' | 'unsupported'; readonly key: Buffer | null; readonly reason: string };

type FileFormat = 'export' | 'records' | 'json' | 'resp' | 'rdb';

/** What an export says of itself in its first line. */
export interface ExportHead {
  readonly snapshot: string;
  readonly source: string;
  readonly label?: string | undefined;
  readonly window: { readonly from: string; readonly to: string };
  /** `incomplete`: the snapshot lacked keys. */
  readonly state: 'complete' | 'incomplete';
  /** Keys that the snapshot lacked and could have held. */
  readonly lacks: number;
  /** Keys of types that no snapshot can hold, by type. */
  readonly unsupported: Readonly<Record<string, number>>;
  /** Which keys were asked for; null for all. */
  readonly selection: Selection | null;
}

/** A file that is being read; `facts` are complete when `items` has ended. */
export interface Reading {
  readonly format: FileFormat;
  readonly items: AsyncGenerator<Item>;
  readonly facts: ReadingFacts;
}

export interface ReadingFacts {
  head: ExportHead | null;
  /** When what is in the file was read from the database, in milliseconds since the epoch, where the file says so. */
  takenAt: number | null;
  /** Sentences for the operator: what is in the file and was passed over, what nothing vouches for. */
  readonly remarks: string[];
}

export interface ReadOptions {
  /** What relative times count from, in milliseconds since the epoch. */
  readonly from: number;
  readonly ttlUnit: TtlUnit;
  /** The database of the file that is meant; null: the only one that it has keys of. */
  readonly database: number | null;
  /** Size of the file as it lies on the disk, to tell lengths that cannot be. */
  readonly size: number;
}

export function textBytes(text: Text): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : Buffer.byteLength(text.b, 'base64');
}
