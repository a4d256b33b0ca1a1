import type { PageSizes } from '../../snapshot/scan/pages.js';
import type { TargetRecord } from '../model.js';
import { contentBuilder, type Content, type FieldRule } from './content.js';
import { stopIfAborted } from './refusal.js';
import type { CompareOptions } from './types.js';

/** A record whose `rest` has been read. */
export interface Candidate {
  readonly record: TargetRecord;
  /** The content of a record of several lines; null for a record of one line, and for an expired one. */
  readonly big: Content | null;
  /** How both sides compare the expiry of fields. */
  readonly rule: FieldRule;
}

/** Longer than any batch takes: fields that expire within this time may vanish during the comparison. */
const LEAVING_MS = 60 * 60 * 1000;

/** The intended size of a reply, so that few batches have to be cut in two. */
export const BATCH_BYTES = 256 * 1024;
const BATCH_KEYS = 500;

/**
 * Gathers records into batches that are read with one request each; a big record is a batch alone. Values in the
 * database may be much larger than the records: `shareOf` estimates a key's share of a batch from recent reads.
 */
export async function* gather(
  records: AsyncIterable<TargetRecord>,
  options: Pick<CompareOptions, 'fieldExpiry' | 'signal' | 'now'>,
  { shareOf }: Pick<PageSizes, 'shareOf'>,
): AsyncGenerator<readonly Candidate[]> {
  let batch: Candidate[] = [];
  let bytes = 0;
  let live = 0;
  for await (const record of records) {
    if (record.rest !== null && batch.length > 0) {
      // The gathered batch is read from the database while this record is drained.
      yield batch;
      [batch, bytes, live] = [[], 0, 0];
    }
    const rule = { fieldExpiry: options.fieldExpiry, horizon: options.now() + LEAVING_MS };
    batch.push({ record, big: await drain(record, rule, options.signal), rule });
    bytes += sizeOf(record);
    live += shareOf(record.first.t);
    if (record.rest === null && bytes < BATCH_BYTES && live < 1 && batch.length < BATCH_KEYS) continue;
    yield batch;
    [batch, bytes, live] = [[], 0, 0];
  }
  if (batch.length > 0) yield batch;
}

async function drain(
  { first, rest, expired }: TargetRecord,
  rule: FieldRule,
  signal: AbortSignal,
): Promise<Content | null> {
  stopIfAborted(signal);
  if (rest === null) return null;
  const content = expired ? null : contentBuilder(first, rule);
  for await (const line of rest) {
    stopIfAborted(signal);
    content?.add(line);
  }
  return content?.finish() ?? null;
}

/** The name is in the request, the value in its reply. */
function sizeOf({ first }: TargetRecord): number {
  return JSON.stringify(first.v).length + JSON.stringify(first.k).length;
}
