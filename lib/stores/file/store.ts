import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, renameSync, statSync, type Dirent } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { CreateResult, ObjectStore, StoredBody, StoredObject } from '../../ports/store.js';
import { systemClock } from '../../services/clock.js';
import { disk, SMALL_BYTES } from './disk.js';
import { errnoOf, fileError, withFileErrors } from './errors.js';
import { withNameLock } from './lock.js';
import { checkFolder, checkName, checkPrefix, largestObject, NOT_READ, isObjectName } from '../names.js';

/** `@` is not in the alphabet of names, so this folder can never hide an object nor be listed as one. */
const WORKSHOP = '@work';
const CREATE_TRIES = 20;
const LISTED_PER_TURN = 1_000;
/** A folder of that name is no object, and neither is anything below an object. */
const NOT_THERE = ['ENOENT', 'ENOTDIR', 'EISDIR'];

export interface FileStoreOptions {
  /** Where the objects lie, each as a plain file under its own name; made when it is missing. */
  readonly folder: string;
  readonly clock?: Clock;
  /** For tests: the store's clock, which sets the time that every object is given. The file system's when left out. */
  readonly stamps?: Clock;
}

/**
 * Objects as files of a local folder, safe among processes of one machine and across crashes. An etag is the SHA-256
 * of the content in hex. One limit that S3 does not have: no object can be named like the folder of another (`usage`).
 */
export function fileStore({ folder, clock = systemClock(), stamps }: FileStoreOptions): ObjectStore {
  const root = resolve(folder);
  const files = disk(root, join(root, WORKSHOP, 'temporary'), stamps ?? clock, stamps !== undefined);
  const locks = join(root, WORKSHOP, 'locks');

  async function createOver(path: string, body: Uint8Array): Promise<CreateResult | null> {
    const found = await readUnless(['ENOENT'], path);
    if (found === null) return null;
    if (!found.body.equals(body)) return { created: false };
    await files.sync(path);
    return { created: true, etag: etagOf(body) };
  }

  async function createFrom(temporary: string, path: string, body: Uint8Array): Promise<CreateResult> {
    for (let attempt = 1; attempt <= CREATE_TRIES; attempt++) {
      if (await files.linkNew(temporary, path)) {
        await files.sync(path);
        return { created: true, etag: etagOf(body) };
      }
      const outcome = await createOver(path, body);
      if (outcome !== null) return outcome;
    }
    throw new AppError('store-unavailable', 'The object comes and goes while it is being created', {
      hint: 'Other processes create and remove the same object; try again when they are done.',
      transient: true,
    });
  }

  function swapFrom(temporary: string, path: string, name: string, body: Uint8Array, etag: string) {
    return withNameLock(locks, name, clock, async (confirm) => {
      const current = await readUnless(NOT_THERE, path);
      if (current === null) return null;
      if (!current.body.equals(body)) {
        if (current.etag !== etag) return null;
        confirm();
        renameSync(temporary, path);
      }
      await files.sync(path);
      return etagOf(body);
    });
  }

  const pathOf = (name: string): string => {
    checkName(name);
    return join(root, name);
  };
  return {
    read: (name) => inTurn(root, () => readUnless(NOT_THERE, pathOf(name))),
    create: (name, body) =>
      inTurn(root, async () => {
        const path = pathOf(name);
        return files
          .withTemporary(body, (temporary) => createFrom(temporary, path, body))
          .catch((error: unknown) => {
            throw errnoOf(error) === 'EISDIR' ? folderInTheWay(path) : error;
          });
      }),
    swap: (name, body, etag) =>
      inTurn(root, async () => {
        const path = pathOf(name);
        return files.withTemporary(body, (temporary) => swapFrom(temporary, path, name, body, etag));
      }),
    remove: (name) =>
      inTurn(root, async () => {
        const path = pathOf(name);
        await withNameLock(locks, name, clock, () => files.removeFile(path));
      }),
    list(prefix) {
      checkPrefix(prefix);
      return withIterationErrors(root, walkObjects(root, prefix));
    },
    folders(prefix) {
      checkFolder(prefix);
      return withIterationErrors(root, walkFolders(root, prefix));
    },
  };
}

/** A folder in the place of an object is no object; but none can be written there. */
function folderInTheWay(path: string): AppError {
  return new AppError('usage', `${path} is a folder, and an object has to be written under that name`, {
    hint: `See what is in it, then move it out of the backup folder: \`mv '${path}' /tmp\`. No object can be named like the folder of another.`,
  });
}

/** Lets all else that waits have its turn first: most of the work below waits for nothing. */
async function inTurn<T>(root: string, work: () => Promise<T>): Promise<T> {
  await setImmediate();
  return withFileErrors(root, work);
}

async function* withIterationErrors<T>(root: string, items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    await setImmediate();
    yield* items;
  } catch (error) {
    throw fileError(root, error);
  }
}

async function readUnless(absent: readonly string[], path: string): Promise<StoredBody | null> {
  try {
    const { size, mtimeMs } = statSync(path);
    if (size > largestObject(path)) return { body: NOT_READ, etag: `not-read-${size}-${mtimeMs}` };
    const body = size <= SMALL_BYTES ? readFileSync(path) : await readFile(path);
    return { body, etag: etagOf(body) };
  } catch (error) {
    if (absent.includes(errnoOf(error))) return null;
    throw error;
  }
}

function etagOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

/** The objects under `root` whose names start with `prefix`, in byte order of their full names. */
async function* walkObjects(root: string, prefix: string): AsyncGenerator<StoredObject> {
  const cut = prefix.lastIndexOf('/') + 1;
  let listed = 0;
  for await (const object of walkFolder(root, prefix.slice(0, cut), prefix.slice(cut))) {
    yield object;
    // Nothing else waits for the disk here: a long list must not keep a lease from being renewed.
    if (++listed % LISTED_PER_TURN === 0) await setImmediate();
  }
}

/** The folders right under `prefix` that hold an object at any depth, ascending. */
async function* walkFolders(root: string, prefix: string): AsyncGenerator<string> {
  const folders = entriesOf(join(root, prefix)).filter((entry) => entry.isDirectory());
  for (const name of folders.map((entry) => entry.name).sort(byteOrder)) {
    const first = await walkFolder(root, `${prefix}${name}/`, '').next();
    if (first.done !== true) yield name;
  }
}

async function* walkFolder(root: string, at: string, start: string): AsyncGenerator<StoredObject> {
  const entries = entriesOf(join(root, at)).filter((entry) => entry.name.startsWith(start));
  // "a-b" sorts before "a/x" but after "a": a folder takes its place with its slash.
  entries.sort((a, b) => byteOrder(sortKey(a), sortKey(b)));
  for (const entry of entries) {
    const name = `${at}${entry.name}`;
    if (entry.isDirectory()) {
      yield* walkFolder(root, `${name}/`, '');
    } else {
      const object = describe(root, name);
      if (object !== null) yield object;
    }
  }
}

function entriesOf(folder: string): Dirent[] {
  const entries = unlessGone(() => readdirSync(folder, { withFileTypes: true }));
  return (entries ?? []).filter((entry) => isObjectName(entry.name) && (entry.isDirectory() || entry.isFile()));
}

function describe(root: string, name: string): StoredObject | null {
  const stats = unlessGone(() => lstatSync(join(root, name), { bigint: true }));
  if (stats === null) return null;
  // Who may write the folder may set the time of a file, but not when its node was last changed.
  const version = `${stats.ino}-${stats.ctimeNs}`;
  return { name, size: Number(stats.size), modifiedAt: Number(stats.mtimeNs / 1_000_000n), version };
}

/** Null for what another process removed while we were looking. */
function unlessGone<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

function sortKey(entry: Dirent): string {
  return entry.isDirectory() ? `${entry.name}/` : entry.name;
}

/** Names are ASCII, so comparing code units compares bytes. */
function byteOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
