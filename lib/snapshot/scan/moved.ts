import type { RedisPort } from '../../ports/redis.js';
import { readBatch, type ReadOutcome } from '../read/batch.js';
import { addFieldExpiry } from '../read/field-expiry.js';
import { isRecordType, type RecordType } from '../record.js';
import { asBuffer } from '../sent-value.js';
import { normalType } from './pages.js';

const ATTEMPTS = 3;

export interface Reread {
  readonly outcome: ReadOutcome | { readonly kind: 'unsupported'; readonly type: string };
  readonly type: RecordType;
}

/** Reads a key again that was not of the type SCAN said, under the type that it has now. */
export async function readMoved(redis: RedisPort, key: Buffer, was: RecordType, fieldExpiry: boolean): Promise<Reread> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const [reply] = await redis.pipeline([['TYPE', key]]);
    if (reply === undefined || 'error' in reply) break;
    const type = normalType(asBuffer(reply.value).toString('latin1'));
    if (type === 'none') return { outcome: { kind: 'gone' }, type: was };
    if (!isRecordType(type)) return { outcome: { kind: 'unsupported', type }, type: was };
    if (type === 'stream') return { outcome: { kind: 'big' }, type };
    const again = [{ key, type }];
    const read = await readBatch(redis, again);
    const [outcome] = fieldExpiry ? await addFieldExpiry(redis, again, read) : read;
    if (outcome !== undefined && outcome.kind !== 'moved') return { outcome, type };
  }
  return { outcome: { kind: 'failed', reason: 'its type kept changing' }, type: was };
}
