import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../errors.js';
import { errnoOf, isDiskFull } from './fault.js';
import type { ObjectStore, StoredBody, StoredObject } from '../ports/store.js';

/** A store that lasts as long as this process: its objects are files that nobody else can read. */
export interface ScratchStore extends ObjectStore {
  remove(name: string): Promise<void>;
  /** Removes everything. */
  discard(): Promise<void>;
}

interface Held {
  readonly file: string;
  readonly nonce: Buffer;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: number;
}

const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;

/**
 * Files in a new folder of the system's temporary one (TMPDIR), encrypted with a key that is in the memory of this process
 * alone: what a process that was killed leaves there tells nothing. Throws `store-full` and `store-unavailable`.
 */
export async function scratchStore(now: () => number): Promise<ScratchStore> {
  const folder = await mkdtemp(join(tmpdir(), 'soulcaster-backup-')).catch(rethrow);
  const key = randomBytes(32);
  const objects = new Map<string, Held>();
  let writes = 0;

  const put = async (name: string, body: Uint8Array): Promise<string> => {
    const etag = String(++writes);
    const nonce = randomBytes(12);
    const cipher = createCipheriv(CIPHER, key, nonce);
    const file = join(folder, etag);
    await writeFile(file, Buffer.concat([cipher.update(body), cipher.final(), cipher.getAuthTag()]), {
      mode: 0o600,
    }).catch(rethrow);
    const before = objects.get(name);
    objects.set(name, { file, nonce, size: body.length, etag, modifiedAt: now() });
    if (before !== undefined) await rm(before.file, { force: true });
    return etag;
  };
  const read = async (name: string): Promise<StoredBody | null> => {
    const held = objects.get(name);
    if (held === undefined) return null;
    const stored = await readFile(held.file).catch(rethrow);
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
      yield* await Promise.resolve(under(objects, prefix));
    },
    async *folders(prefix) {
      const found = under(objects, prefix).map(({ name }) => name.slice(prefix.length));
      yield* await Promise.resolve(
        [...new Set(found.filter((rest) => rest.includes('/')).map((rest) => rest.split('/', 1)[0] ?? ''))].sort(),
      );
    },
    discard: () => rm(folder, { recursive: true, force: true }),
  };
}

function under(objects: ReadonlyMap<string, Held>, prefix: string): StoredObject[] {
  const found = [...objects].filter(([name]) => name.startsWith(prefix));
  return found
    .map(([name, { modifiedAt, size }]) => ({ name, size, modifiedAt }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function rethrow(cause: unknown): never {
  const code = errnoOf(cause);
  throw new AppError(
    isDiskFull(code) ? 'store-full' : 'store-unavailable',
    `The temporary folder ${tmpdir()} cannot be used (${code}). Nothing was written`,
    {
      hint: 'Make room there, or set TMPDIR to a folder with room for what the file holds, compressed.',
      cause,
    },
  );
}

/**
 * `base` with one more snapshot, which `scratch` holds: it can be read by its id and is in no list, so that nothing that is
 * written into `base` names it.
 */
export function withSnapshotBeside(base: ObjectStore, scratch: ObjectStore, snapshot: string): ObjectStore {
  const home = `snapshots/${snapshot}/`;
  const placeOf = (name: string): ObjectStore => (name.startsWith(home) ? scratch : base);
  return {
    // What the base knows of objects that do not count goes along.
    ...base,
    read: (name) => placeOf(name).read(name),
    create: (name, body) => placeOf(name).create(name, body),
    swap: (name, body, etag) => placeOf(name).swap(name, body, etag),
    remove: (name) => placeOf(name).remove(name),
    list: (prefix) => placeOf(prefix).list(prefix),
    folders: (prefix) => placeOf(prefix).folders(prefix),
  };
}
