import { z } from 'zod';
import type { Json } from '../json.js';
import type { RedisUsage } from '../ports/redis.js';
import { ledgerSchema, partSchema, usageSchema } from './manifest.js';
import { RECORD_TYPES } from './record.js';

/** A key that is read page by page, and how far. Keys are base64: they need not be text. */
export const pagedKeySchema = z.object({
  key: z.string(),
  type: z.enum(RECORD_TYPES),
  /** SCAN-style cursor, offset or stream id to go on from; null before the first page. */
  position: z.string().nullable(),
  /** Number of the next line. */
  line: z.number().int(),
  /** What must stay the same while the pages are read: "size expiry". */
  fingerprint: z.string().nullable(),
  /** Elements asked for at a time. */
  pageSize: z.number().int(),
  /** How often it had to be begun again. */
  restarts: z.number().int(),
});
export type PagedKey = z.infer<typeof pagedKeySchema>;

/** The checkpoint of a snapshot: all that later legs need, in a size that does not depend on that of the data. */
export const snapshotCheckpoint = z.object({
  /** Where SCAN goes on; null when it has come round. */
  cursor: z.string().nullable(),
  /** Keys that SCAN has named and that are read page by page. */
  paged: z.array(pagedKeySchema),
  parts: z.array(partSchema),
  ledger: ledgerSchema,
  spent: usageSchema,
  fieldExpiry: z.enum(['read', 'none']).nullable(),
  window: z.object({ from: z.string().nullable(), to: z.string().nullable() }),
  dbsize: z.object({ before: z.number(), after: z.number() }),
  /** Mean stored bytes a key takes on the wire: sizes the next page. */
  bytesPerKey: z.number(),
});
export type SnapshotCheckpoint = z.infer<typeof snapshotCheckpoint>;

export function firstCheckpoint(): SnapshotCheckpoint {
  const none = () => ({ count: 0, keys: [] });
  return {
    cursor: '0',
    paged: [],
    parts: [],
    ledger: { saved: 0, expiredMeanwhile: 0, changedMeanwhile: none(), unsupported: none(), failed: none() },
    spent: { requests: 0, commands: 0, bytesSent: 0, bytesReceived: 0 },
    fieldExpiry: null,
    window: { from: null, to: null },
    dbsize: { before: 0, after: 0 },
    bytesPerKey: 4096,
  };
}

export function parseCheckpoint(json: Json): SnapshotCheckpoint {
  return snapshotCheckpoint.parse(json);
}

/** What was spent by `now`, given what earlier legs spent and what this process had spent when the leg began. */
export function addUsage(base: RedisUsage, before: RedisUsage, now: RedisUsage): RedisUsage {
  return {
    requests: base.requests + now.requests - before.requests,
    commands: base.commands + now.commands - before.commands,
    bytesSent: base.bytesSent + now.bytesSent - before.bytesSent,
    bytesReceived: base.bytesReceived + now.bytesReceived - before.bytesReceived,
  };
}
