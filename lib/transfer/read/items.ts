import type { RecordLine } from '../../snapshot/record.js';
import type { Text } from '../../soulcaster/text.js';
import type { Selection } from '../../soulcaster/selection.js';
import type { TtlUnit } from '../formats.js';

/**
 * An item of a reader, in the order of the file. `line`: a record line in the form of parts; the lines of one key follow
 * one another. `lost`: a key of the file that cannot become a record (`failed`), or whose type has no record form
 * (`unsupported`, with the type as reason); `key` is null when the file does not name it.
 */
export type Item =
  | { readonly line: RecordLine }
  | { readonly lost: 'failed' | 'unsupported'; readonly key: Buffer | null; readonly reason: string };

type FileFormat = 'export' | 'records' | 'json' | 'resp' | 'rdb';

/** The first line of an export. */
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
  /** The selected keys; null for all. */
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
  /** When the content was read from the database, in milliseconds since the epoch; null when the file does not say. */
  takenAt: number | null;
  /** Sentences for the operator: what was skipped, and what could not be verified. */
  readonly remarks: string[];
}

export interface ReadOptions {
  /** The base of relative times, in milliseconds since the epoch. */
  readonly from: number;
  readonly ttlUnit: TtlUnit;
  /** The database to read; null: the only one with keys in the file. */
  readonly database: number | null;
  /** Size of the file on disk, to detect impossible lengths. */
  readonly size: number;
}

export function countTextBytes(text: Text): number {
  return typeof text === 'string' ? Buffer.byteLength(text) : Buffer.byteLength(text.b, 'base64');
}
