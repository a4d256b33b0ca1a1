import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { dumpDatabase, type PlainDump } from '../support/plain-dump.js';
import type { Product, Variables } from './product.js';
import type { HuntDatabase } from './servers.js';
import type { Setting } from './steps.js';

/** Keys that fit no side's account: locks come and go by themselves, and the product's own mark is no data. */
const BESIDE = /^(cluster:lock:|soulcaster-backup:)/;

export interface Keys {
  readonly signingKey: string;
  readonly identity: string;
  readonly recipient: string;
}

/** The first store, or the second. */
export type Place = 'store' | 'replica';
/** The protected database, another one that uses the same store, or a target of restores. */
export type Whose = 'main' | 'other' | 'standby';

/** What the hunt knows of a snapshot, without the product. */
export interface Known {
  readonly id: string;
  readonly of: Whose;
  readonly safety: boolean;
  /** Of one that a restore saved: what that restore was of; to restore it means to undo that, and no more. */
  readonly undoes: 'all' | 'pa' | 'pb';
  /** What it holds, read by its format when it was written. */
  readonly held: PlainDump;
  readonly takenAt: number;
  /** The time in its id. */
  readonly datedAt: number;
  /** When it was finished, by the clock of the process that took it. */
  readonly finishedAt: number;
  /** What the product called it when it was taken. */
  readonly complete: boolean;
  /** Whether a key was set when it was taken. */
  readonly signed: boolean;
  /** What a copy in the second store shares with the first: reasons for `latest` never to be it, and what was adopted. */
  readonly standing: { readonly doubts: string[]; adopted: boolean };
  /** Whether the product may doubt it all the same, since none that could be relied on was there to compare it with. */
  readonly uncertain: boolean;
  /** Whether any object of it was touched from outside since. */
  touched: boolean;
}

/** A way back that a restore offered. */
export interface Undo {
  readonly whose: Whose;
  readonly scope: Known['undoes'];
  readonly before: PlainDump;
  readonly args: readonly string[];
}

export interface World {
  readonly setting: Setting;
  readonly product: Product;
  readonly main: HuntDatabase;
  readonly other: HuntDatabase;
  readonly scratch: HuntDatabase;
  readonly standby: HuntDatabase;
  readonly folders: Readonly<Record<Place, string>>;
  readonly keys: Keys;
  /** Changes when a key is set or taken away. */
  signed: boolean;
  readonly known: Readonly<Record<Place, Map<string, Known>>>;
  /** Whether the other database was adopted. */
  adopted: boolean;
  /** Scopes of restores into the main database that began and were not brought to an end that holds. */
  readonly unfinished: Set<string>;
  /** Whether a restore did not end well, so that the product may take the database for half restored. */
  brokenOff: boolean;
  /** Whether anything was accepted, or a source adopted: the second store need not know of it. */
  vouched: boolean;
  /** By how much the clock of the command that runs is ahead. */
  aheadMs: number;
  /** Whether any command had another clock. */
  skewed: boolean;
  /** Whether any object was touched from outside. */
  everTampered: boolean;
  lastUndo: Undo | null;
  /** Control objects were touched: what is believed may be less than before, never more. */
  touchedControl: boolean;
  /** What the database does: it refuses things, or is full. */
  readonly hinders: Set<'full' | 'refuses'>;
  readonly hindered: boolean;
  /** Earlier contents of objects, to be put back. */
  readonly past: Map<string, Buffer[]>;
  /** The run of the last command, and how commands of runs ended, by the runs' ids. */
  lastRun: string | null;
  readonly ended: Map<string, number | null>;
  readonly cancelled: Set<string>;
  /** Told how each command ended, for the figures. */
  came: (how: string) => void;
}

export function variables(world: Omit<World, 'product'>, whose: Whose = 'main'): Variables {
  const { folders, keys, main, other, scratch, setting, signed, standby } = world;
  const database = whose === 'other' ? other : main;
  return {
    UPSTASH_REDIS_REST_URL: database.url,
    UPSTASH_REDIS_REST_TOKEN: database.token,
    DRILL_REDIS_REST_URL: scratch.url,
    DRILL_REDIS_REST_TOKEN: scratch.token,
    RESTORE_TARGET_STANDBY_REST_URL: standby.url,
    RESTORE_TARGET_STANDBY_REST_TOKEN: standby.token,
    BACKUP_STORE: pathToFileURL(folders.store).href,
    BACKUP_REPLICA_STORE: pathToFileURL(folders.replica).href,
    BACKUP_PART_MIB: '0.01',
    BACKUP_COMMANDS_PER_SECOND: '0',
    BACKUP_REQUESTS_IN_FLIGHT: String(setting.inFlight),
    RUN_LEASE_SECONDS: '6',
    RETENTION_KEEP_LAST: '3',
    RETENTION_KEEP_WITHIN_DAYS: '0',
    RETENTION_KEEP_DAILY: '0',
    RETENTION_KEEP_WEEKLY: '0',
    RETENTION_KEEP_MONTHLY: '0',
    ...(signed ? { BACKUP_SIGNING_KEY: keys.signingKey } : {}),
    ...(setting.encrypted ? { BACKUP_AGE_RECIPIENTS: keys.recipient, BACKUP_AGE_IDENTITY: keys.identity } : {}),
  };
}

/** A world in which nothing has happened yet. */
export function newWorld(
  parts: Pick<World, 'setting' | 'product' | 'main' | 'other' | 'scratch' | 'standby' | 'keys'>,
  folder: string,
): World {
  const folders = { store: join(folder, 'first'), replica: join(folder, 'second') };
  rmSync(folder, { recursive: true, force: true });
  for (const each of Object.values(folders)) mkdirSync(each, { recursive: true });
  return {
    ...parts,
    folders,
    signed: parts.setting.signed,
    known: { store: new Map(), replica: new Map() },
    adopted: false,
    unfinished: new Set(),
    brokenOff: false,
    vouched: false,
    aheadMs: 0,
    skewed: false,
    everTampered: false,
    lastUndo: null,
    touchedControl: false,
    hinders: new Set<'full' | 'refuses'>(),
    get hindered() {
      return this.hinders.size > 0;
    },
    past: new Map(),
    lastRun: null,
    ended: new Map(),
    cancelled: new Set(),
    came: () => undefined,
  };
}

/** Whether a key is nobody's data. */
export function isBeside(key: string): boolean {
  return BESIDE.test(key);
}

/** What stands in a database, without what is nobody's data. */
export async function dump(database: HuntDatabase): Promise<PlainDump> {
  const all = await dumpDatabase(database.redis(), true);
  for (const key of all.keys()) if (isBeside(key)) all.delete(key);
  return all;
}

/** Keys of the product that should be gone when no run is under way: staged values, and locks. */
export async function leftBehind(database: HuntDatabase): Promise<string[]> {
  const names = (await database.redis().callBuffer('KEYS', '*')) as Buffer[];
  return names
    .map((name) => name.toString('latin1'))
    .filter((name) => isBeside(name) && !name.startsWith('soulcaster-backup:scratch'));
}

/** Names of all objects of a store, sorted. */
export function objects(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => !name.startsWith('@') && statSync(join(folder, name)).isFile()).sort();
}

/** Whether a snapshot still has its manifest. */
export function onDisk({ folders }: World, id: string, place: Place = 'store'): boolean {
  return existsSync(join(folders[place], 'snapshots', id, 'manifest.json'));
}

/** Whether the store says that the protected database was another one before, which had this source. */
export function isAdopted({ folders }: World, source: string): boolean {
  const file = join(folders.store, 'guard/sources.json');
  return existsSync(file) && readFileSync(file, 'utf8').includes(source);
}

/** Those that the hunt would trust for the protected database, oldest first. */
export function eligible(world: World, place: Place = 'store'): Known[] {
  return [...world.known[place].values()]
    .filter((each) => objections(world, each).length === 0 && onDisk(world, each.id, place))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** More than the product takes for a clock that is a little ahead. */
const AHEAD_MS = 400_000;

/** Why `latest` must not be it. */
export function objections({ adopted, aheadMs, signed }: World, known: Known): string[] {
  const { complete, of, safety, standing } = known;
  return [
    ...(of === 'main' || (of === 'other' && adopted) ? [] : ['of another source']),
    ...(complete ? [] : ['incomplete']),
    ...(safety ? ['a safety snapshot'] : []),
    ...(!signed || known.signed || standing.adopted ? [] : ['not signed']),
    ...(known.datedAt > Date.now() + Math.max(0, aheadMs) + AHEAD_MS ? ['dated ahead'] : []),
    ...standing.doubts,
  ];
}
