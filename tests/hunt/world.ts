import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { dumpDatabase, type PlainDump } from '../support/plain-dump.js';
import type { Variables } from './product.js';
import type { HuntDatabase } from './servers.js';
import type { ObjectKind, Setting } from './steps.js';

/** Keys that fit no side's account: locks come and go by themselves, and the product's own mark is no data. */
const BESIDE = /^(cluster:lock:|soulcaster-backup:)/;

export interface Keys {
  readonly signingKey: string;
  readonly identity: string;
  readonly recipient: string;
}

/** What the hunt knows of a snapshot, without the product. */
export interface Known {
  readonly id: string;
  readonly of: 'main' | 'other';
  readonly safety: boolean;
  /** What it holds, read by its format when it was written. */
  readonly held: PlainDump;
  readonly takenAt: number;
  /** What the product called it when it was taken. */
  readonly complete: boolean;
  /** Reasons that the hunt itself has for `latest` never to be it. */
  readonly doubts: string[];
  /** Whether any object of it was touched from outside since. */
  touched: boolean;
}

export interface World {
  readonly setting: Setting;
  readonly main: HuntDatabase;
  readonly other: HuntDatabase;
  readonly scratch: HuntDatabase;
  readonly folder: string;
  readonly keys: Keys;
  readonly env: Variables;
  readonly otherEnv: Variables;
  readonly known: Map<string, Known>;
  /** Scopes of restores into the main database that began and were not brought to an end that holds. */
  readonly unfinished: Set<string>;
  /** Whether the command line knows --from-source. */
  readonly hasFromSource: boolean;
  /** Whether it knows `snapshots accept`. */
  readonly hasAccept: boolean;
  /** Whether any command had another clock. */
  skewed: boolean;
  /** Whether any object was touched from outside. */
  everTampered: boolean;
  /** Restores that succeeded: what was there before each, by the snapshot that undoes it. */
  lastUndo: {
    readonly from: string;
    readonly before: PlainDump;
    readonly args: readonly string[];
    readonly settled: boolean;
  } | null;
  /** Control objects were touched: what is believed may be less than before, never more. */
  touchedControl: boolean;
  /** The database refuses things, or is full. */
  hindered: boolean;
  /** Earlier contents of objects, to be put back. */
  readonly past: Map<string, Buffer[]>;
}

export function variables(
  setting: Setting,
  folder: string,
  keys: Keys,
  main: HuntDatabase,
  scratch: HuntDatabase,
): Variables {
  return {
    UPSTASH_REDIS_REST_URL: main.url,
    UPSTASH_REDIS_REST_TOKEN: main.token,
    DRILL_REDIS_REST_URL: scratch.url,
    DRILL_REDIS_REST_TOKEN: scratch.token,
    BACKUP_STORE: pathToFileURL(folder).href,
    BACKUP_PART_MIB: '0.01',
    BACKUP_REQUESTS_IN_FLIGHT: String(setting.inFlight),
    RUN_LEASE_SECONDS: '6',
    RETENTION_KEEP_LAST: '3',
    RETENTION_KEEP_WITHIN_DAYS: '0',
    RETENTION_KEEP_DAILY: '0',
    RETENTION_KEEP_WEEKLY: '0',
    RETENTION_KEEP_MONTHLY: '0',
    ...(setting.signed ? { BACKUP_SIGNING_KEY: keys.signingKey } : {}),
    ...(setting.encrypted ? { BACKUP_AGE_RECIPIENTS: keys.recipient, BACKUP_AGE_IDENTITY: keys.identity } : {}),
  };
}

/** What stands in a database, without what is nobody's data. */
export async function dump(database: HuntDatabase): Promise<PlainDump> {
  const all = await dumpDatabase(database.redis());
  for (const key of all.keys()) if (BESIDE.test(key)) all.delete(key);
  return all;
}

/** Keys of the product that should be gone when no run is under way: staged values, and locks. */
export async function leftBehind(database: HuntDatabase): Promise<string[]> {
  const names = (await database.redis().callBuffer('KEYS', '*')) as Buffer[];
  return names
    .map((name) => name.toString('latin1'))
    .filter((name) => BESIDE.test(name) && !name.startsWith('soulcaster-backup:scratch'));
}

/** Names of all objects of the store, sorted. */
export function objects(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => !name.startsWith('@') && statSync(join(folder, name)).isFile()).sort();
}

/** Whether a snapshot still has its manifest. */
export function onDisk(world: World, id: string): boolean {
  return existsSync(join(world.folder, 'snapshots', id, 'manifest.json'));
}

export function kindOf(name: string): ObjectKind {
  if (/\/part-/.test(name)) return 'part';
  if (name.endsWith('/manifest.json')) return 'manifest';
  if (/^snapshots\/[^/]+\/(verification|accepted|adopted)\.json$/.test(name)) return 'verification';
  if (name.startsWith('runs/')) return 'run';
  if (name.startsWith('leases/')) return 'lease';
  if (name.startsWith('guard/')) return 'guard';
  if (name.startsWith('drills/')) return 'drill';
  return name === 'catalog.json' ? 'catalog' : 'any';
}

/** Keeps what control objects hold now, so that an old content can be put back. */
export function remember(world: World): void {
  for (const name of objects(world.folder)) {
    if (kindOf(name) === 'part') continue;
    const content = readFileSync(join(world.folder, name));
    const versions = world.past.get(name) ?? [];
    if (versions.at(-1)?.equals(content) !== true) world.past.set(name, [...versions.slice(-4), content]);
  }
}

/** Does to one object what an operator, a broken disk or somebody with access to the bucket might. Returns its name. */
export function tamper(world: World, kind: ObjectKind, pick: number, how: string): string | null {
  const { folder } = world;
  const present = objects(folder);
  const candidates = (how === 'put-back' ? [...world.past.keys()].sort() : present).filter(
    (name) => kind === 'any' || kindOf(name) === kind,
  );
  const name = candidates[pick % Math.max(1, candidates.length)];
  if (name === undefined) return how === 'forge' ? forge(world, kind, pick) : null;
  const file = join(folder, name);
  if (how === 'forge') return forge(world, kind, pick);
  if (how === 'put-back') {
    const versions = world.past.get(name) ?? [];
    const old = versions[pick % versions.length];
    if (old === undefined) return null;
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, old);
  } else if (how === 'remove') rmSync(file, { force: true });
  else if (how === 'truncate') truncateSync(file, Math.floor(statSync(file).size / 2));
  else if (how === 'empty') truncateSync(file, 0);
  else {
    const content = readFileSync(file);
    const at = (pick * 7919) % Math.max(1, content.length);
    content[at] = (content[at] ?? 0) ^ (1 << (pick % 8));
    writeFileSync(file, content);
  }
  touch(world, name);
  return name;
}

/** An object that nobody of the product wrote: in its place, or beside the others. */
function forge(world: World, kind: ObjectKind, pick: number): string | null {
  const id = `2026${pick % 2 === 0 ? '1101' : '1231'}T000000Z-forged`.slice(0, 23);
  const snapshot = [...world.known.keys()].sort()[pick % Math.max(1, world.known.size)] ?? id;
  const documents: Record<string, [string, unknown]> = {
    verification: [
      `snapshots/${snapshot}/verification.json`,
      { state: 'verified', at: new Date().toISOString(), run: snapshot, depth: 'lines', findings: [] },
    ],
    lease: ['leases/database.json', { holder: id, leg: 'x', fence: 99, legUntil: 9e12, expiresAt: 9e12 }],
    run: [
      `runs/${id}/run.json`,
      {
        version: 1,
        id,
        kind: ['restore', 'snapshot', 'of-tomorrow'][pick % 3],
        state: 'running',
        lease: 'database',
        phase: 'write',
        tasks: 1,
        leg: 0,
        stalls: 0,
        fence: 1,
        firstFence: 1,
        resumeAt: null,
        handedOut: null,
        input: {},
        checkpoint: null,
        progress: { done: 0, total: null, unit: 'keys', bytes: 0 },
        result: null,
        error: null,
        createdAt: new Date().toISOString(),
        updatedAt: new Date().toISOString(),
        finishedAt: null,
      },
    ],
    manifest: [`snapshots/${id}/manifest.json`, { formatVersion: 1, id, state: 'complete' }],
    guard: ['guard/state.json', ['nothing', { of: 'this' }][pick % 2]],
    catalog: ['catalog.json', { snapshots: [] }],
    drill: [`drills/${id}.json`, { id, outcome: 'passed' }],
    any: ['notes.txt', 'somebody was here'],
    part: [`snapshots/${snapshot}/part-00099-00001.jsonl.gz`, 'not a part'],
  };
  const [name, content] = documents[kind] ?? ['notes.txt', ''];
  const file = join(world.folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(content));
  touch(world, name);
  return name;
}

function touch(world: World, name: string): void {
  const snapshot = /^snapshots\/([^/]+)\//.exec(name)?.[1];
  const known = snapshot === undefined ? undefined : world.known.get(snapshot);
  if (known !== undefined) known.touched = true;
  world.everTampered = true;
  if (kindOf(name) !== 'part') world.touchedControl = true;
}

export function cleared(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}
