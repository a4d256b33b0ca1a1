import { pMapIterable } from 'p-map';
import { z } from 'zod';
import type { RedisPort } from '../../ports/redis.js';
import { pipelineInHalves } from '../../redis/halving.js';
import type { Attempt } from '../../runs/model.js';
import type { SnapshotCheckpoint } from '../checkpoint.js';
import { readSavedKeys } from '../duplicates.js';
import { indexReader, partIndexPrefix } from '../part-index.js';
import { type PageSizes, byShare, loadPage, onlyOf, scanNames, type LoadedPage, type ScanPage } from '../scan/pages.js';
import type { ScanPorts, Source } from '../scan/work.js';
import type { SnapshotSettings } from '../settings.js';
import { decodeJson, encodeJson } from '../../json.js';
import { AppError } from '../../errors.js';
import type { ObjectStore } from '../../ports/store.js';
import { hashSet, type HashSet, keyHash, type KeySet } from '../../redis/key-sets.js';

/** A checkpoint is taken after this many names, which limits the work that is lost when a process dies. */
const SAVE_EVERY = 200_000;

/** Some names of a walk, with the records of those that had not been saved. */
interface NamedPage extends LoadedPage {
  /** All names that SCAN returned, saved or not. */
  readonly names: readonly Buffer[];
  /** Names of keys that are not saved and have an expiry, where that is read. */
  readonly expiring: readonly Buffer[];
}

/** One walk over the names, which continues at the checkpoint's cursor. */
export interface Walk {
  readonly seen: SeenNames;
  readonly source: Source<NamedPage>;
}

export async function openWalk(
  ports: ScanPorts,
  settings: SnapshotSettings,
  attempt: Attempt,
  state: SnapshotCheckpoint,
): Promise<Walk> {
  const { walk } = state.names;
  const before = state.parts.slice(0, walk?.fromPart ?? 0);
  const saved = await readSavedKeys(before, indexReader(ports.store, attempt.run.id, before), state.hashesFrom);
  const stored = walk?.seenIn ?? null;
  const seen = seenNames(saved, stored === null ? null : await loadObject(ports.store, stored));
  let copies = 0;
  let savedAt = walk?.named ?? 0;

  const keep = (): ((state: SnapshotCheckpoint) => Promise<SnapshotCheckpoint>) => {
    // Copied now: names that are seen later do not belong to the checkpoint that is being taken.
    const body = seen.snapshot();
    const name = hashesName(attempt, `seen-${state.names.walks}-${copies++}`);
    return async (next) => {
      if (next.names.walk === null) return next;
      await ports.store.create(name, body);
      return { ...next, names: { ...next.names, walk: { ...next.names.walk, seenIn: name } } };
    };
  };

  return {
    seen,
    source: {
      pages: (cursor, sizes) => namedPages(ports.redis, settings, state, seen, cursor, sizes),
      consumed: (next, page) => countNames(next, page, seen),
      keep,
      isDue(next) {
        const named = next.names.walk?.named ?? 0;
        if (named - savedAt < SAVE_EVERY) return false;
        savedAt = named;
        return true;
      },
      progress: ({ names }, { bytes, total }) => ({ done: names.walk?.named ?? 0, total, unit: 'keys', bytes }),
    },
  };
}

/** The object in which a run stores hashes of names; removed with the indexes of its parts. */
export function hashesName(attempt: Pick<Attempt, 'run' | 'fence'>, what: string): string {
  return `${partIndexPrefix(attempt.run.id)}names-${what}-${attempt.fence}.json`;
}

function namedPages(
  redis: RedisPort,
  settings: SnapshotSettings,
  state: SnapshotCheckpoint,
  seen: SeenNames,
  cursor: string,
  sizes: PageSizes,
): AsyncIterable<NamedPage> {
  const fieldExpiry = state.fieldExpiry === 'read';
  const { inFlight, only } = settings;
  const readsExpiry = typeof state.names.walk?.expiring === 'number';
  const load = async ({ page, names }: Chunk): Promise<NamedPage> => {
    const loaded = page.keys.length === 0 ? { ...page, outcomes: [] } : await loadPage(redis, page, fieldExpiry);
    const leftOut = readsExpiry && only !== undefined ? names.filter((name) => !only(name)) : [];
    return { ...loaded, names, expiring: await withExpiry(redis, leftOut) };
  };
  const chunks = chunksOf(scanNames(redis, cursor), cursor, seen, sizes, only);
  return pMapIterable(chunks, load, { concurrency: inFlight, backpressure: inFlight * 2 });
}

interface Chunk {
  readonly page: ScanPage;
  readonly names: readonly Buffer[];
}

/**
 * Reduces each page to the keys that have not been saved, in chunks for one read. A checkpoint between two reads of a SCAN
 * reply has the cursor of that reply: keys that were read are known to be seen when the reply is requested again.
 */
async function* chunksOf(
  pages: AsyncIterable<ScanPage>,
  cursor: string,
  seen: SeenNames,
  { shareOf }: PageSizes,
  only: SnapshotSettings['only'],
): AsyncGenerator<Chunk> {
  let begin = cursor;
  for await (const page of pages) {
    const isNew = ({ key }: { readonly key: Buffer }): boolean => !seen.isKnown(key);
    // Names of keys that are not saved count as well when the names are compared with DBSIZE.
    const wanted = onlyOf(page, only);
    const groups = byShare(wanted.keys.filter(isNew), shareOf);
    for (const keys of groups.slice(0, -1)) {
      const names = keys.map(({ key }) => key);
      yield { page: { keys, unsupported: [], next: begin, mayStop: true }, names };
    }
    const names = [...page.keys, ...page.unsupported].map(({ key }) => key);
    yield { page: { ...page, keys: groups.at(-1) ?? [], unsupported: wanted.unsupported.filter(isNew) }, names };
    begin = page.next ?? begin;
  }
}

/** The keys that have an expiry. */
async function withExpiry(redis: RedisPort, keys: readonly Buffer[]): Promise<Buffer[]> {
  if (keys.length === 0) return [];
  const replies = await pipelineInHalves(
    redis,
    keys.map((key) => ['PEXPIRETIME', key] as const),
  );
  return keys.filter((_, at) => {
    const reply = replies[at];
    // Without a reply the key may have an expiry: the safe assumption, because it explains no other key.
    return reply === undefined || 'error' in reply || (reply.value !== -1 && reply.value !== -2);
  });
}

function countNames(state: SnapshotCheckpoint, page: NamedPage, seen: SeenNames): SnapshotCheckpoint {
  const { walk } = state.names;
  if (walk === null) return state;
  const expiring = page.expiring.filter((name) => !seen.isKnown(name)).length + (walk.expiring ?? 0);
  for (const name of page.names) seen.add(name);
  const found = page.outcomes.filter(({ kind }) => kind !== 'gone' && kind !== 'failed').length;
  const counted = walk.expiring === null ? {} : { expiring };
  const next = { ...walk, ...counted, found: walk.found + found, named: walk.named + page.names.length };
  return { ...state, names: { ...state.names, walk: next } };
}

const storedSeen = z.object({
  /** A bit for each saved key, in the order of their hashes. */
  saved: z.string(),
  /** 64-bit hashes of names that were not saved before the walk. */
  others: z.string(),
});

/** The names that one walk has seen: a bit for each key that was saved before it, 16 to 32 bytes for each other key. */
interface SeenNames {
  /** Distinct names. */
  readonly size: number;
  readonly others: HashSet;
  /** Adds a name; false when the walk has seen it before. */
  add(key: Buffer): boolean;
  /** Whether the key was saved before the walk, or has been seen by it. */
  isKnown(key: Buffer): boolean;
  /** Hashes of the saved keys that were not seen. */
  unseen(): BigUint64Array;
  /** The current state, encoded for the store. */
  snapshot(): Buffer;
}

function seenNames(saved: KeySet, stored: Buffer | null): SeenNames {
  const before = stored === null ? null : storedSeen.parse(decodeJson(stored));
  const bits = new Uint8Array(Math.ceil(saved.size / 8));
  if (before !== null) bits.set(Buffer.from(before.saved, 'base64').subarray(0, bits.length));
  const others = hashSet(before === null ? undefined : decodeHashes(before.others));
  let seen = 0;
  for (const byte of bits) seen += countOnes(byte);

  return {
    get size() {
      return seen + others.size;
    },
    others,
    add(key) {
      const hash = keyHash(key);
      const place = saved.placeOf(hash);
      if (place < 0) return others.addHash(hash);
      const bit = 1 << (place & 7);
      const byte = bits[place >>> 3] ?? 0;
      if ((byte & bit) !== 0) return false;
      bits[place >>> 3] = byte | bit;
      seen += 1;
      return true;
    },
    isKnown(key) {
      const hash = keyHash(key);
      return saved.placeOf(hash) >= 0 || others.hasHash(hash);
    },
    unseen() {
      const missing = new BigUint64Array(saved.size - seen);
      let end = 0;
      for (let place = 0; place < saved.size; place++) {
        if (((bits[place >>> 3] ?? 0) & (1 << (place & 7))) === 0) missing[end++] = saved.at(place);
      }
      return missing;
    },
    snapshot: () => encodeJson({ saved: Buffer.from(bits).toString('base64'), others: encodeHashes(others.hashes()) }),
  };
}

/** Stores hashes and returns the object's name; null for no hashes. */
export async function storeHashes(store: ObjectStore, name: string, hashes: BigUint64Array): Promise<string | null> {
  if (hashes.length === 0) return null;
  await store.create(name, encodeJson({ hashes: encodeHashes(hashes) }));
  return name;
}

export async function loadHashes(store: ObjectStore, name: string | null): Promise<HashSet> {
  if (name === null) return hashSet();
  const { hashes } = z.object({ hashes: z.string() }).parse(decodeJson(await loadObject(store, name)));
  return hashSet(decodeHashes(hashes));
}

/** Throws `damaged` when the object is gone. */
async function loadObject(store: ObjectStore, name: string): Promise<Buffer> {
  const found = await store.read(name);
  if (found !== null) return found.body;
  throw new AppError('damaged', `${name} is gone from the store`, {
    hint: 'Something removes objects under runs/ while a snapshot is being taken. Stop it and take another snapshot.',
  });
}

function encodeHashes(hashes: BigUint64Array): string {
  return Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength).toString('base64');
}

function decodeHashes(encoded: string): BigUint64Array {
  return new BigUint64Array(new Uint8Array(Buffer.from(encoded, 'base64')).buffer);
}

function countOnes(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
