import { z } from 'zod';
import type { Json } from '../json.js';
import type { RedisUsage } from '../ports/redis.js';
import { serverMarkSchema } from '../redis/server-mark.js';
import { openLedgerSchema, partSchema, tableSchema, usageSchema } from './manifest.js';
import { RECORD_TYPES } from './record.js';
import { endedRunsSchema } from './unfinished-marks.js';

/** A key that is read page by page, and how far. Keys are base64: they need not be text. */
const pagedKeySchema = z.object({
  key: z.string(),
  type: z.enum(RECORD_TYPES),
  /** SCAN-style cursor, offset or stream id to go on from; null before the first page. */
  position: z.string().nullable(),
  /** Number of the next line. */
  line: z.number().int(),
  /** What must stay the same while the pages are read: "size expiry". */
  fingerprint: z.string().nullable(),
  /** The `run_id` of the server that the first page is of; null where no cursor is used, or where it is not told. */
  server: z.string().nullable().default(null),
  /** Of a string, the digest of all of it before the first page; null where it is not known. */
  digest: z.string().nullable().default(null),
  /** Elements asked for at a time. */
  pageSize: z.number().int(),
  /** How often it had to be begun again. */
  restarts: z.number().int(),
});
export type PagedKey = z.infer<typeof pagedKeySchema>;

/** A walk over the names that has not come round. */
const openWalk = z.object({
  /** What the server said when it began. */
  mark: serverMarkSchema,
  /** Parts from this number on were written by it: it compares with those before. */
  fromPart: z.number().int(),
  /** Keys that had not been saved. */
  found: z.number().int(),
  /** Names that SCAN has given, repeats included. */
  named: z.number().int(),
  /** The object that holds which names it has seen up to the cursor; null before the first is stored. */
  seenIn: z.string().nullable(),
  /** Of the names that are left out, those of keys with an expiry; null where they are not asked. */
  expiring: z.number().int().nullable().default(null),
});

/** What is known of the names of the database beyond the cursor. See docs/format.md, "Whether all keys are there". */
const namesSchema = z.object({
  /** Whether a scan of the whole database comes before the walks: where the plan of a restore has saved keys, none does. */
  scanned: z.boolean().default(true),
  /** Walks that came round, and those of them under which the server was another one at the end. */
  walks: z.number().int(),
  broken: z.number().int(),
  added: z.number().int(),
  unexplained: z.number().int(),
  /** Records that were written with an expiry. */
  expiring: z.number().int(),
  /** The keys of `ledger.unsupported` by type. */
  types: tableSchema,
  /** Keys that were gone when they were read and that no expiry explains; null: not known. */
  vanished: z.number().int().nullable(),
  /** Of the keys that were read first, those that were gone at the end, if these are a large share; else 0. */
  gone: z.number().int().default(0),
  /** What the server said when the first pass began; null in checkpoints of older versions. */
  first: serverMarkSchema.nullable(),
  /** Null between two walks. */
  walk: openWalk.nullable(),
  /** The object that holds the hashes of the saved keys that the last walk did not see; null when it saw all. */
  unseenIn: z.string().nullable(),
});
type NamesState = z.infer<typeof namesSchema>;

export const NO_NAMES: NamesState = {
  scanned: true,
  walks: 0,
  broken: 0,
  added: 0,
  unexplained: 0,
  expiring: 0,
  types: {},
  vanished: null,
  gone: 0,
  first: null,
  walk: null,
  unseenIn: null,
};

/** The checkpoint of a snapshot: all that later attempts need, in a size that does not depend on that of the data. */
const snapshotCheckpoint = z.object({
  /** Where SCAN continues; null when it has come round. */
  cursor: z.string().nullable(),
  /** Keys that SCAN has named and that are read page by page. */
  paged: z.array(pagedKeySchema),
  parts: z.array(partSchema),
  ledger: openLedgerSchema,
  spent: usageSchema,
  fieldExpiry: z.enum(['read', 'none']).nullable(),
  /** What the server said of expired fields when the first pass began; null where it does not count them. */
  expiredFields: z.string().nullable().default(null),
  /** `hashes`: the database is gone through again for its hashes, since fields were given an expiry meanwhile. */
  pass: z.enum(['all', 'hashes']).default('all'),
  /** Number of the first part of the pass `hashes`: records of hashes in the parts before it do not count. */
  hashesFrom: z.number().int().default(0),
  window: z.object({ from: z.string().nullable(), to: z.string().nullable() }),
  dbsize: z.object({ before: z.number(), after: z.number() }),
  /** Absent in checkpoints of older versions. */
  names: namesSchema.default(NO_NAMES),
  /** Restores of the database that had ended when the first pass began; null in checkpoints of older versions. */
  ended: endedRunsSchema.nullable().default(null),
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
    expiredFields: null,
    pass: 'all',
    hashesFrom: 0,
    window: { from: null, to: null },
    dbsize: { before: 0, after: 0 },
    names: NO_NAMES,
    ended: null,
    bytesPerKey: 4096,
  };
}

export function parseCheckpoint(json: Json): SnapshotCheckpoint {
  return snapshotCheckpoint.parse(json);
}

/** What was spent by `now`, given what earlier attempts spent and what this process had spent when the attempt began. */
export function addUsage(base: RedisUsage, before: RedisUsage, now: RedisUsage): SnapshotCheckpoint['spent'] {
  return {
    requests: base.requests + now.requests - before.requests,
    commands: base.commands + now.commands - before.commands,
    bytesSent: base.bytesSent + now.bytesSent - before.bytesSent,
    bytesReceived: base.bytesReceived + now.bytesReceived - before.bytesReceived,
  };
}
