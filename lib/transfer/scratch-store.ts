import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../errors.js';
import { errnoOf, isDiskFull } from './fault.js';
import type { ObjectStore, StoredBody, StoredObject } from '../ports/store.js';

/** A store for the lifetime of this process: its objects are files that no other process can read. */
export interface ScratchStore extends ObjectStore {
  remove(name: string): Promise<void>;
  /** Removes everything. */
  discard(): Promise<void>;
}

interface HeldObject {
  readonly file: string;
  readonly nonce: Buffer;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: number;
}

const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;

/**
 * Files in a new folder under the system's temporary one (TMPDIR), encrypted with a key that only this process has in its
 * memory: files left by a killed process are unreadable. Throws `store-full` and `store-unavailable`.
 */
export async function scratchStore(now: () => number): Promise<ScratchStore> {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-backup-')).catch(throwFolderError);
  const key = randomBytes(32);
  const objects = new Map<string, HeldObject>();
  let writes = 0;

  const put = async (name: string, body: Uint8Array): Promise<string> => {
    const etag = String(++writes);
    const nonce = randomBytes(12);
    const cipher = createCipheriv(CIPHER, key, nonce);
    const file = join(folder, etag);
    await writeFile(file, Buffer.concat([cipher.update(body), cipher.final(), cipher.getAuthTag()]), {
      mode: 0o600,
    }).catch(throwFolderError);
    const before = objects.get(name);
    objects.set(name, { file, nonce, size: body.length, etag, modifiedAt: now() });
    if (before !== undefined) await rm(before.file, { force: true });
    return etag;
  };
  const read = async (name: string): Promise<StoredBody | null> => {
    const held = objects.get(name);
    if (held === undefined) return null;
    const stored = await readFile(held.file).catch(throwFolderError);
    const decipher = createDecipheriv(CIPHER, key, held.nonce);
    decipher.setAuthTag(stored.subarray(-TAG_BYTES));
    return {
      body: Buffer.concat([decipher.update(stored.subarray(0, -TAG_BYTES)), decipher.final()]),
      etag: held.etag,
    };
  };

  return {
    read,
    async create(name, body) {
      const found = await read(name);
      if (found === null) return { created: true, etag: await put(name, body) };
      return found.body.equals(body) ? { created: true, etag: found.etag } : { created: false };
    },
    swap: async (name, body, etag) => (objects.get(name)?.etag === etag ? put(name, body) : null),
    async remove(name) {
      const held = objects.get(name);
      objects.delete(name);
      if (held !== undefined) await rm(held.file, { force: true });
    },
    async *list(prefix) {
      yield* await Promise.resolve(listUnder(objects, prefix));
    },
    async *folders(prefix) {
      const found = listUnder(objects, prefix).map(({ name }) => name.slice(prefix.length));
      yield* await Promise.resolve(
        [...new Set(found.filter((rest) => rest.includes('/')).map((rest) => rest.split('/', 1)[0] ?? ''))].sort(),
      );
    },
    discard: () => rm(folder, { recursive: true, force: true }),
  };
}

function listUnder(objects: ReadonlyMap<string, HeldObject>, prefix: string): StoredObject[] {
  const found = [...objects].filter(([name]) => name.startsWith(prefix));
  return found
    .map(([name, { modifiedAt, size }]) => ({ name, size, modifiedAt }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function throwFolderError(cause: unknown): never {
  const code = errnoOf(cause);
  throw new AppError(
    isDiskFull(code) ? 'store-full' : 'store-unavailable',
    `The temporary folder ${tmpdir()} cannot be used (${code}). Nothing was written`,
    {
      hint: 'Free space there, or set TMPDIR to a folder with enough space for the compressed content of the file.',
      cause,
    },
  );
}

/**
 * `base` with one more snapshot, held by `scratch`. It can be read by its id but is in no list, so that no object written
 * into `base` names it.
 */
export function withSnapshotBeside(base: ObjectStore, scratch: ObjectStore, snapshot: string): ObjectStore {
  const snapshotFolder = `snapshots/${snapshot}/`;
  const storeFor = (name: string): ObjectStore => (name.startsWith(snapshotFolder) ? scratch : base);
  return {
    // Includes the base's additional members.
    ...base,
    read: (name) => storeFor(name).read(name),
    create: (name, body) => storeFor(name).create(name, body),
    swap: (name, body, etag) => storeFor(name).swap(name, body, etag),
    remove: (name) => storeFor(name).remove(name),
    list: (prefix) => storeFor(prefix).list(prefix),
    folders: (prefix) => storeFor(prefix).folders(prefix),
  };
}
