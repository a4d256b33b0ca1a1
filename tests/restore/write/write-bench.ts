import { Readable } from 'node:stream';
import { systemClock } from '../../../lib/services/clock.js';
import { upstashRedis } from '../../../lib/services/upstash-redis/redis.js';
import { startUpstashRedis } from '../../../dev/upstash-redis/index.js';
import type { RedisPort } from '../../../lib/ports/index.js';
import { decodedCommand, type RedisReply, type SentCommand } from '../../../lib/ports/redis.js';
import type { TargetRecord } from '../../../lib/restore/model.js';
import { sourceBatches } from '../../../lib/snapshot/source-records.js';
import { stagingPrefix } from '../../../lib/restore/target.js';
import { writeRecords, type WriteOptions } from '../../../lib/restore/write/index.js';
import type { WriteCounts } from '../../../lib/restore/write/writer.js';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import type { Manifest } from '../../../lib/snapshot/manifest.js';
import { ageEncryptor } from '../../../lib/crypto/age.js';
import { compareSnapshot, type Comparison } from '../../support/compare.js';
import { batch, type Command } from '../../support/redis-calls.js';
import { openSnapshotBench, type SnapshotBench } from '../../support/snapshot-bench.js';
import { startTestDatabase, type TestDatabase } from '../../support/test-database.js';

export const NOTHING_WRONG = { onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
export const STAGING = stagingPrefix('20261122T020000Z-x7k2m9');

/** A target: a separate real database behind the stand-in. */
export interface Target {
  readonly database: TestDatabase;
  readonly port: RedisPort;
  write(
    records: AsyncIterable<TargetRecord>,
    options?: Partial<WriteOptions & { port: RedisPort }>,
  ): Promise<WriteCounts>;
  /** Staged keys that are there. */
  staged(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function openTarget(): Promise<Target> {
  const database = await startTestDatabase();
  const server = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
  const port = upstashRedis({ url: server.url, token: 'test', clock: systemClock() });
  return {
    database,
    port,
    write(records, { port: other = port, ...options } = {}) {
      const signal = new AbortController().signal;
      return writeRecords(other, inBatches(records), {
        mode: 'replace',
        staging: STAGING,
        now: Date.now,
        inFlight: 3,
        signal,
        ...options,
      });
    },
    staged: () => database.redis.keys(`${STAGING}*`),
    async stop() {
      await server.stop();
      await database.stop();
    },
  };
}

/** A source with the snapshots of it, and a target. */
export interface WriteBench {
  readonly source: SnapshotBench;
  readonly target: Target;
  /** Fills the source again, takes a snapshot, and gives its records and a comparison of the target with it. */
  snapshotOf(commands: readonly Command[]): Promise<Filled>;
  /** The same of what is in the source. */
  snapshot(): Promise<Filled>;
  stop(): Promise<void>;
}

export interface Filled {
  readonly manifest: Manifest;
  readonly records: () => AsyncIterable<TargetRecord>;
  readonly compare: () => Promise<Comparison>;
}

export async function openWriteBench(limits: { replyBytes?: number } = {}): Promise<WriteBench> {
  const [source, target] = await Promise.all([openSnapshotBench(limits), openTarget()]);
  const snapshot = async (): Promise<Filled> => {
    const { id, manifest } = await source.takeWhole({ settings: { partBytes: 60_000 } });
    return {
      manifest,
      records: () => allRecords(source, manifest),
      compare: () => compareSnapshot(target.database.url, source.folder.folder, id),
    };
  };
  return {
    source,
    target,
    async snapshotOf(commands) {
      await source.database.redis.flushall();
      await batch(source.database.redis, commands);
      return snapshot();
    },
    snapshot,
    async stop() {
      await Promise.all([source.stop(), target.stop()]);
    },
  };
}

async function* allRecords(source: SnapshotBench, manifest: Manifest): AsyncGenerator<TargetRecord> {
  const ports = { store: source.folder.store, encryptor: ageEncryptor({ recipients: [], identity: null }) };
  for (const part of manifest.parts.keys()) {
    for await (const batch of sourceBatches(ports, manifest, part, 'stored')) {
      for (const record of batch) yield { ...record, expired: false };
    }
  }
}

/** Some records at a time; one that has a `rest` comes last. */
export async function* inBatches(records: AsyncIterable<TargetRecord>): AsyncGenerator<TargetRecord[]> {
  let batch: TargetRecord[] = [];
  for await (const record of records) {
    batch.push(record);
    if (record.rest === null && batch.length < 7) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

/** Records made by hand. One of several lines is a list of them. */
export function recordsOf(
  ...records: readonly (RecordLine | readonly RecordLine[] | TargetRecord)[]
): AsyncIterable<TargetRecord> {
  const made = records.map((record): TargetRecord => {
    if ('expired' in record) return record;
    if ('k' in record) return { first: record, rest: null, expired: false };
    return { first: record[0] as RecordLine, rest: Readable.from(record.slice(1)), expired: false };
  });
  return Readable.from(made);
}

export function expired(line: RecordLine): TargetRecord {
  return { first: line, rest: null, expired: true };
}

type Way = 'pipeline' | 'transaction';
export type Send = (commands: readonly SentCommand[]) => Promise<RedisReply[]>;

/** The port with something around each of its requests. */
export function around(
  port: RedisPort,
  wrap: (send: Send, commands: readonly SentCommand[], way: Way) => Promise<RedisReply[]>,
): RedisPort {
  return {
    host: port.host,
    pipeline: (commands) => wrap((all) => port.pipeline(all.map(decodedCommand)), commands, 'pipeline'),
    transaction: (commands) => wrap((all) => port.transaction(all), commands, 'transaction'),
    usage: () => port.usage(),
  };
}

/** Every request is applied twice, and the second reply is the one that arrives. */
export function twice(port: RedisPort): RedisPort {
  return around(port, async (send, commands) => {
    await send(commands);
    return send(commands);
  });
}
