import { z } from 'zod';
import type { Json } from '../json.js';
import type { RedisUsage } from '../ports/redis.js';
import { serverMarkSchema } from '../redis/scan.js';
import { openLedgerSchema, partSchema, tableSchema, usageSchema } from './manifest.js';
import { RECORD_TYPES } from './record.js';
import { endedRunsSchema } from './unfinished-marks.js';

/** A key that is read page by page, and the position in it. Keys are base64: they need not be text. */
const pagedKeySchema = z.object({
  key: z.string(),
  type: z.enum(RECORD_TYPES),
  /** The cursor, offset or stream id of the next page; null before the first page. */
  position: z.string().nullable(),
  /** Number of the next line. */
  line: z.number().int(),
  /** Must stay the same while the pages are read: "size expiry". */
  fingerprint: z.string().nullable(),
  /** The `run_id` of the server that gave the first page; null where no cursor is used, or the server does not report it. */
  server: z.string().nullable().default(null),
  /** The digest of a whole string before its first page; null where it is not known. */
  digest: z.string().nullable().default(null),
  /** Elements requested at a time. */
  pageSize: z.number().int(),
  /** How often reading started again. */
  restarts: z.number().int(),
});
export type PagedKey = z.infer<typeof pagedKeySchema>;

/** A walk over the names that has not reached the end. */
const openWalk = z.object({
  /** The server mark at its start. */
  mark: serverMarkSchema,
  /** The walk wrote the parts from this number on; it compares with those before. */
  fromPart: z.number().int(),
  /** Keys that it found and that had not been saved. */
  found: z.number().int(),
  /** Names that SCAN returned, repeats included. */
  named: z.number().int(),
  /** The object with the names seen up to the cursor; null before the first is stored. */
  seenIn: z.string().nullable(),
  /** Keys that are not to be saved and have an expiry; null where their expiry is not read. */
  expiring: z.number().int().nullable().default(null),
});

/** The evidence that no key was missed. See docs/format.md, "Whether all keys are there". */
const namesSchema = z.object({
  /** Whether a scan of the whole database precedes the walks; false where the plan of a restore has saved keys. */
  scanned: z.boolean().default(true),
  /** Finished walks, and how many of them ended on another server, or after a restart. */
  walks: z.number().int(),
  broken: z.number().int(),
  added: z.number().int(),
  unexplained: z.number().int(),
  /** Records that were written with an expiry. */
  expiring: z.number().int(),
  /** The keys of `ledger.unsupported` by type. */
  types: tableSchema,
  /** Keys that were gone when they were read, without an expiry to explain it; null: not known. */
  vanished: z.number().int().nullable(),
  /** How many of the keys that were read first were gone at the end, if a large share; else 0. */
  gone: z.number().int().default(0),
  /** The server mark at the start of the first pass; null in checkpoints of older versions. */
  first: serverMarkSchema.nullable(),
  /** Null between two walks. */
  walk: openWalk.nullable(),
  /** The object with the hashes of the saved keys that the last walk did not see; null when it saw all. */
  unseenIn: z.string().nullable(),
});
type NamesState = z.infer<typeof namesSchema>;

const NO_NAMES: NamesState = {
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

/** The checkpoint of a snapshot: all that later attempts need. Its size does not depend on the amount of data. */
const snapshotCheckpoint = z.object({
  /** Where SCAN continues; null when it has reached the end. */
  cursor: z.string().nullable(),
  /** Keys that SCAN has returned and that are read page by page. */
  paged: z.array(pagedKeySchema),
  parts: z.array(partSchema),
  ledger: openLedgerSchema,
  spent: usageSchema,
  fieldExpiry: z.enum(['read', 'none']).nullable(),
  /** The server's count of expired fields at the start of the first pass; null where it does not count them. */
  expiredFields: z.string().nullable().default(null),
  /** `hashes`: all hashes are read again, because fields were given an expiry meanwhile. */
  pass: z.enum(['all', 'hashes']).default('all'),
  /** Number of the first part of the pass `hashes`: records of hashes in the parts before it are void. */
  hashesFrom: z.number().int().default(0),
  window: z.object({ from: z.string().nullable(), to: z.string().nullable() }),
  dbsize: z.object({ before: z.number(), after: z.number() }),
  /** Absent in checkpoints of older versions. */
  names: namesSchema.default(NO_NAMES),
  /** Restores of the database that had ended when the first pass began; null in checkpoints of older versions. */
  ended: endedRunsSchema.nullable().default(null),
  /** Mean bytes of a key on the wire: determines the size of the next page. */
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

/** The usage up to `now`: `base` by earlier attempts, plus that of this process since the attempt began at `before`. */
export function addUsage(base: RedisUsage, before: RedisUsage, now: RedisUsage): SnapshotCheckpoint['spent'] {
  return {
    requests: base.requests + now.requests - before.requests,
    commands: base.commands + now.commands - before.commands,
    bytesSent: base.bytesSent + now.bytesSent - before.bytesSent,
    bytesReceived: base.bytesReceived + now.bytesReceived - before.bytesReceived,
  };
}
