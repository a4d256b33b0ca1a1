import { readDatabase } from './database-reader.js';

/** Every key as its type, expiry and digest of the value, by the key's name in latin1. */
export type Dump = Readonly<Record<string, string>>;

/** What stands in a database, read over TCP. */
export async function dumpOf(redisUrl: string): Promise<Dump> {
  const keys: [string, string][] = [];
  for await (const { key, type, expiresAt, digest } of readDatabase(redisUrl)) {
    keys.push([key.toString('latin1'), `${type} ${expiresAt ?? 'stays'} ${digest}`]);
  }
  return Object.fromEntries(keys.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The keys of a dump that a test is about. */
export function only(dump: Dump, wanted: (key: string) => boolean): Dump {
  return Object.fromEntries(Object.entries(dump).filter(([key]) => wanted(key)));
}

/** Names of keys that are in one of two dumps alone, or not the same in both. */
export function changes(before: Dump, after: Dump): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => before[name] !== after[name]).sort();
}
