import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { generateSigningKey } from '../../lib/crypto/ed25519.js';
import { fullApp, type FullApp } from '../../lib/app/app.js';
import type { Context } from '../../lib/cli/context.js';
import type { Log } from '../../lib/ports/index.js';
import { startUpstashRedis } from '../../dev/upstash-redis/index.js';
import { writeDrill } from '../../lib/restore/drill/record.js';
import { newId } from '../../lib/runs/ids.js';
import { changeState } from '../../lib/monitoring/state.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { signTombstone, tombstoneName } from '../../lib/snapshot/tombstone.js';
import { startTestDatabase } from '../support/test-database.js';

export const HOUR = 3_600_000;
export const BUDGET = { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };

/** A small good store of a real database, in a folder, that can be copied. */
export interface OddStore {
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  /** The good snapshots, oldest first. */
  readonly snapshots: readonly string[];
  stop(): Promise<void>;
}

export interface Database {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

export async function startDatabase(): Promise<Database> {
  const database = await startTestDatabase();
  const server = await startUpstashRedis({ redisUrl: database.url, token: 'test' });
  await database.redis.mset(Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`key:${at}`, `value ${at}`])));
  return {
    env: { UPSTASH_REDIS_REST_URL: server.url, UPSTASH_REDIS_REST_TOKEN: 'test' },
    async stop() {
      await server.stop();
      await database.stop();
    },
  };
}

/** Two snapshots with their runs and leases, a drill, a tombstone, and the state of a guard. */
export async function goodStore(database: Database, keys: boolean): Promise<OddStore> {
  const folder = await mkdtemp(join(tmpdir(), 'odd-store-'));
  const env = {
    ...database.env,
    BACKUP_STORE: pathToFileURL(folder).href,
    ...(keys ? { BACKUP_SIGNING_KEY: generateSigningKey().privateKey } : {}),
  };
  const app = fullApp(env, { log: logTo([]) });
  const snapshots = [await takeOne(app), await takeOne(app)];
  const { clock, signer, store } = app.ports;
  const now = clock.now();
  const at = new Date(now - HOUR).toISOString();
  const [snapshot = null] = snapshots;
  const measured = { startedAt: at, finishedAt: at, milliseconds: 1000 };
  await writeDrill(store, { id: newId(now - HOUR), outcome: 'passed', reason: null, snapshot, keys: 20, ...measured });
  const removed = newId(now - 24 * HOUR);
  const body = { formatVersion: 1, id: removed, manifestSha256: 'a'.repeat(64), previous: null, prunedAt: at } as const;
  await store.create(tombstoneName(removed), signTombstone({ ...body, reasons: ['old'] }, signer));
  await changeState(store, null, (state) => ({ ...state, lastRunAt: at, outcome: 'ok' }));
  return { env, folder, snapshots, stop: () => rm(folder, { recursive: true, force: true }) };
}

async function takeOne(app: FullApp): Promise<string> {
  const started = await startSnapshot(app.engine, 'cli');
  if (!started.started) throw new Error(`held by ${started.holder}`);
  const run = await app.work(started.run.id, BUDGET);
  if (run.state !== 'succeeded') throw new Error(`the snapshot is ${run.state}: ${run.error?.message ?? ''}`);
  return run.id;
}

/** The same in a separate folder. */
export async function copyOf(good: OddStore): Promise<OddStore> {
  const folder = await mkdtemp(join(tmpdir(), 'odd-store-'));
  await cp(good.folder, folder, { recursive: true });
  const env = { ...good.env, BACKUP_STORE: pathToFileURL(folder).href };
  return { ...good, env, folder, stop: () => rm(folder, { recursive: true, force: true }) };
}

export async function put({ folder }: OddStore, name: string, body: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), body);
}

/** Every object under a prefix, by name. */
export async function objectsUnder({ folder }: OddStore, prefix: string): Promise<Map<string, string>> {
  const entries = await readdir(join(folder, prefix), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = await Promise.all(
    files.map(async (file) => [relative(folder, file), await readFile(file, 'hex')] as const),
  );
  return new Map(read);
}

export function logTo(lines: string[]): Log {
  const line =
    (level: string) =>
    (event: string, fields: object = {}): void =>
      void lines.push(`${level} ${event} ${JSON.stringify(fields)}`);
  return { info: () => undefined, warn: line('warn'), error: line('error') };
}

/** A command's context that keeps what it prints; `lines` holds that, its remarks and its log. */
export function contextOf(
  env: Readonly<Record<string, string>>,
): Context & { readonly lines: string[]; said(): unknown } {
  const lines: string[] = [];
  let document: unknown = null;
  return {
    env,
    json: false,
    onTerminal: false,
    nameInHints: () => undefined,
    interrupt: new AbortController().signal,
    print: (text) => void lines.push(text),
    document: (value) => void (document = value),
    note: (text) => void lines.push(text),
    log: logTo(lines),
    lines,
    said: () => document,
  };
}
