import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, renameSync, statSync, type Dirent } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { AppError } from '../../errors.js';
import type { Clock } from '../../ports/clock.js';
import type { CreateResult, ObjectStore, StoredBody, StoredObject } from '../../ports/store.js';
import { systemClock } from '../../services/clock.js';
import { openDisk, SMALL_BYTES, withNameLock } from './disk.js';
import { errnoOf, fileError, isNoFolder, withFileErrors } from './errors.js';
import { checkFolder, checkName, checkPrefix, maxObjectBytes, NOT_READ, isObjectName } from '../kind.js';

/** `@` is not allowed in names, so this folder can neither hide an object nor be listed as one. */
const WORK_FOLDER = '@work';
const CREATE_ATTEMPTS = 20;
const LISTED_PER_TURN = 1_000;
/** System codes for an absent object: a folder of that name, or a path below an object, is not an object. */
const ABSENT_CODES = ['ENOENT', 'ENOTDIR', 'EISDIR'];

export interface FileStoreOptions {
  /** Where the objects are, each a plain file under its name; created when missing. */
  readonly folder: string;
  readonly clock?: Clock;
  /** For tests: the clock that sets the time of every object. Default: the file system's. */
  readonly stamps?: Clock;
}

/**
 * Objects as files of a local folder, safe among processes of one machine and across crashes. An etag is the SHA-256
 * of the content in hex. A limit that S3 does not have: no object can have the name of another object's folder (`usage`).
 */
export function fileStore({ folder, clock = systemClock(), stamps }: FileStoreOptions): ObjectStore {
  const root = resolve(folder);
  const files = openDisk(root, join(root, WORK_FOLDER, 'temporary'), stamps ?? clock, stamps !== undefined);
  const locks = join(root, WORK_FOLDER, 'locks');

  async function compareExisting(path: string, body: Uint8Array): Promise<CreateResult | null> {
    const found = await readUnlessAbsent(root, ['ENOENT'], path);
    if (found === null) return null;
    if (!found.body.equals(body)) return { created: false };
    await files.sync(path);
    return { created: true, etag: etagOf(body) };
  }

  async function createFromTemporary(temporary: string, path: string, body: Uint8Array): Promise<CreateResult> {
    for (let attempt = 1; attempt <= CREATE_ATTEMPTS; attempt++) {
      if (await files.linkNew(temporary, path)) {
        await files.sync(path);
        return { created: true, etag: etagOf(body) };
      }
      const outcome = await compareExisting(path, body);
      if (outcome !== null) return outcome;
    }
    throw new AppError('store-unavailable', 'Other processes create and remove the object while it is being created', {
      hint: 'Try again when the other processes are done.',
      transient: true,
    });
  }

  function swapFromTemporary(temporary: string, path: string, name: string, body: Uint8Array, etag: string) {
    return withNameLock(locks, name, clock, async (confirm) => {
      const current = await readUnlessAbsent(root, ABSENT_CODES, path);
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
    read: (name) => afterPending(root, () => readUnlessAbsent(root, ABSENT_CODES, pathOf(name))),
    create: (name, body) =>
      afterPending(root, async () => {
        const path = pathOf(name);
        return files
          .withTemporary(body, (temporary) => createFromTemporary(temporary, path, body))
          .catch((error: unknown) => {
            throw errnoOf(error) === 'EISDIR' ? folderClashError(path) : error;
          });
      }),
    swap: (name, body, etag) =>
      afterPending(root, async () => {
        const path = pathOf(name);
        return files.withTemporary(body, (temporary) => swapFromTemporary(temporary, path, name, body, etag));
      }),
    remove: (name) =>
      afterPending(root, async () => {
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

/** A folder with an object's name reads as an absent object, but no object can be written there. */
function folderClashError(path: string): AppError {
  return new AppError('usage', `${path} is a folder, and an object has to be written under that name`, {
    hint: `Check its content, then move it out of the backup folder: \`mv '${path}' /tmp\`. No object can have the name of another object's folder.`,
  });
}

/** Runs `work` after all pending callbacks: most of the work below is synchronous and would starve them. */
async function afterPending<T>(root: string, work: () => Promise<T>): Promise<T> {
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

async function readUnlessAbsent(root: string, absent: readonly string[], path: string): Promise<StoredBody | null> {
  try {
    const { size, mtimeMs } = statSync(path);
    if (size > maxObjectBytes(path)) return { body: NOT_READ, etag: `not-read-${size}-${mtimeMs}` };
    const body = size <= SMALL_BYTES ? readFileSync(path) : await readFile(path);
    return { body, etag: etagOf(body) };
  } catch (error) {
    if (absent.includes(errnoOf(error)) && !isNoFolder(root)) return null;
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
    // Listing is synchronous: a long list must not delay the renewal of a lease.
    if (++listed % LISTED_PER_TURN === 0) await setImmediate();
  }
}

/** The folders right under `prefix` that hold an object at any depth, ascending. */
async function* walkFolders(root: string, prefix: string): AsyncGenerator<string> {
  const folders = listEntries(root, prefix).filter((entry) => entry.isDirectory());
  for (const name of folders.map((entry) => entry.name).sort(compareBytes)) {
    const first = await walkFolder(root, `${prefix}${name}/`, '').next();
    if (first.done !== true) yield name;
  }
}

async function* walkFolder(root: string, at: string, start: string): AsyncGenerator<StoredObject> {
  const entries = listEntries(root, at).filter((entry) => entry.name.startsWith(start));
  // "a-b" sorts before "a/x" but after "a": a folder is sorted with its slash.
  entries.sort((a, b) => compareBytes(sortKey(a), sortKey(b)));
  for (const entry of entries) {
    const name = `${at}${entry.name}`;
    if (entry.isDirectory()) {
      yield* walkFolder(root, `${name}/`, '');
    } else {
      const object = statObject(root, name);
      if (object !== null) yield object;
    }
  }
}

function listEntries(root: string, folder: string): Dirent[] {
  const entries = nullIfRemoved(root, () => readdirSync(join(root, folder), { withFileTypes: true }));
  return (entries ?? []).filter((entry) => isObjectName(entry.name) && (entry.isDirectory() || entry.isFile()));
}

function statObject(root: string, name: string): StoredObject | null {
  const stats = nullIfRemoved(root, () => lstatSync(join(root, name), { bigint: true }));
  if (stats === null) return null;
  // A user with write access to the folder can set a file's modification time, but not its change time.
  const version = `${stats.ino}-${stats.ctimeNs}`;
  return { name, size: Number(stats.size), modifiedAt: Number(stats.mtimeNs / 1_000_000n), version };
}

/** Null for a file that another process removed meanwhile. Throws where no object can be: `root` is no folder. */
function nullIfRemoved<T>(root: string, read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error)) && !isNoFolder(root)) return null;
    throw error;
  }
}

function sortKey(entry: Dirent): string {
  return entry.isDirectory() ? `${entry.name}/` : entry.name;
}

/** Names are ASCII, so comparing code units compares bytes. */
function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
