import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredObject } from '../../ports/store.js';
import { errnoOf } from './errors.js';
import { isObjectName } from '../names.js';

/** The objects under `root` whose names start with `prefix`, in byte order of their full names. */
export async function* walkObjects(root: string, prefix: string): AsyncGenerator<StoredObject> {
  const cut = prefix.lastIndexOf('/') + 1;
  yield* walkFolder(root, prefix.slice(0, cut), prefix.slice(cut));
}

/** The folders right under `prefix` that hold an object at any depth, ascending. */
export async function* walkFolders(root: string, prefix: string): AsyncGenerator<string> {
  const folders = (await entriesOf(join(root, prefix))).filter((entry) => entry.isDirectory());
  for (const name of folders.map((entry) => entry.name).sort(byteOrder)) {
    const first = await walkFolder(root, `${prefix}${name}/`, '').next();
    if (first.done !== true) yield name;
  }
}

async function* walkFolder(root: string, at: string, start: string): AsyncGenerator<StoredObject> {
  const entries = (await entriesOf(join(root, at))).filter((entry) => entry.name.startsWith(start));
  // "a-b" sorts before "a/x" but after "a": a folder takes its place with its slash.
  entries.sort((a, b) => byteOrder(sortKey(a), sortKey(b)));
  for (const entry of entries) {
    const name = `${at}${entry.name}`;
    if (entry.isDirectory()) {
      yield* walkFolder(root, `${name}/`, '');
    } else {
      const object = await describe(root, name);
      if (object !== null) yield object;
    }
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  const entries = await unlessGone(readdir(folder, { withFileTypes: true }));
  return (entries ?? []).filter((entry) => isObjectName(entry.name) && (entry.isDirectory() || entry.isFile()));
}

async function describe(root: string, name: string): Promise<StoredObject | null> {
  const stats = await unlessGone(lstat(join(root, name), { bigint: true }));
  if (stats === null) return null;
  // Who may write the folder may set the time of a file, but not when its node was last changed.
  const version = `${stats.ino}-${stats.ctimeNs}`;
  return { name, size: Number(stats.size), modifiedAt: Number(stats.mtimeNs / 1_000_000n), version };
}

/** Null for what another process removed while we were looking. */
async function unlessGone<T>(look: Promise<T>): Promise<T | null> {
  return look.catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  });
}

function sortKey(entry: Dirent): string {
  return entry.isDirectory() ? `${entry.name}/` : entry.name;
}

/** Names are ASCII, so comparing code units compares bytes. */
function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
