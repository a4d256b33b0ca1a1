import type { PageSizes } from '../../snapshot/scan/page-sizes.js';
import type { TargetRecord } from '../model.js';
import { contentBuilder, type Content, type FieldRule } from './content.js';
import { stopIfAborted } from './refusal.js';
import type { CompareOptions } from './types.js';

/** A record whose `rest` has been read. */
export interface Candidate {
  readonly record: TargetRecord;
  /** What a record of several lines came to; null for one that stands on its first line or has expired. */
  readonly big: Content | null;
  /** How both sides take in the expiry of fields. */
  readonly rule: FieldRule;
}

/** Longer than any batch takes: fields that expire by then may go while it is compared. */
const LEAVING_MS = 60 * 60 * 1000;

/** What one reply should come to, so that few batches are cut in two. */
export const BATCH_BYTES = 256 * 1024;
const BATCH_KEYS = 500;

/**
 * Puts records together into batches that are read with one request each; a big one stands alone. What stands in the database may
 * be much larger than the records: `shareOf` says which share of a batch a key takes by what was read of late.
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
      // What is gathered is read from the database meanwhile.
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

/** The name goes with the request, the value comes with its reply. */
function sizeOf({ first }: TargetRecord): number {
  return JSON.stringify(first.v).length + JSON.stringify(first.k).length;
}
