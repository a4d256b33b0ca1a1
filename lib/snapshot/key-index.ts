import { AppError } from '../errors.js';
import type { ObjectStore, Encryptor } from '../ports/index.js';
import { duplicateLines } from './duplicates.js';
import { keyHash } from '../redis/key-sets.js';
import { sha256, type KeyIndexObject, type Manifest } from './manifest.js';
import { keyIndexFile, partName, suffixOf } from './names.js';
import type { UnpackedIndex } from './part-index.js';

/** Bytes of a key in the index: the lower half of its hash. */
const WIDTH = 4;

interface IndexPorts {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
}

/** Finds the parts of a snapshot in which a key may begin. */
interface KeyIndex {
  /** Ascending; once in 2^32 / keys another key with the same 32 bits of hash adds a wrong part. */
  partsOf(key: Buffer): number[];
}

/**
 * One part's section of the index: a 32-bit number for each valid record that begins in the part (the lower half of the
 * XXH64 of its key, seed 0), ascending, little-endian.
 */
export function indexSection({ hashes, lines }: UnpackedIndex, without: ReadonlySet<number>): Buffer {
  // Each record has two 64-bit hashes; the first of its four words is the lower half of the first hash.
  const words = new Uint32Array(hashes.buffer, hashes.byteOffset, hashes.length * 2);
  const section = new Uint32Array(lines.length);
  let filled = 0;
  for (const [at, line] of lines.entries()) if (!without.has(line)) section[filled++] = words[4 * at] ?? 0;
  const sorted = section.subarray(0, filled).sort();
  return Buffer.from(sorted.buffer, sorted.byteOffset, sorted.byteLength);
}

/**
 * Writes the index of a snapshot beside its parts, encrypted like them: the sections of the parts in order. Reads it back.
 * Throws `damaged` when the store returns other bytes than were written.
 */
export async function writeKeyIndex(
  { encryptor, store }: IndexPorts,
  snapshot: { readonly id: string; readonly fence: number },
  sections: readonly Buffer[],
): Promise<KeyIndexObject> {
  const body = await encryptor.encrypt(Buffer.concat(sections));
  const file = keyIndexFile(snapshot.fence, encryptor.suffix);
  const name = partName(snapshot.id, file);
  await store.create(name, body);
  const stored = { bytes: body.length, sha256: sha256(body) };
  const found = await store.read(name);
  if (found !== null && sha256(found.body) === stored.sha256) return { name: file, stored };
  throw new AppError('damaged', `The key index read back from the store is not what was written: ${name}`, {
    hint: 'Check the bucket (versioning, lifecycle rules, other writers) and take another snapshot.',
  });
}

/**
 * Loads the index of a snapshot; null where none can be used: the snapshot is from an earlier version, its index is gone or
 * altered (`verify` reports that), or no identity is set to open it. Then every part may hold every key.
 */
export async function loadKeyIndex(ports: IndexPorts, manifest: Manifest): Promise<KeyIndex | null> {
  const sections = await loadSections(ports, manifest);
  if (sections === null || sections === 'missing' || sections === 'altered') return null;
  return {
    partsOf(key) {
      const wanted = Number(keyHash(key) & 0xffffffffn);
      return sections.flatMap((section, part) => (includesHash(section, wanted) ? [part] : []));
    },
  };
}

/**
 * Describes the fault of a snapshot's index; null when it has none. `sums`: the SHA-256 of each part's section, computed
 * from the lines of the part; null for parts that could not be opened.
 */
export async function checkKeyIndex(
  ports: IndexPorts,
  manifest: Manifest,
  sums: readonly (string | null)[],
): Promise<string | null> {
  const sections = await loadSections(ports, manifest);
  if (sections === 'missing') return 'the object is not in the store';
  if (sections === 'altered') return 'it does not match its hash in the manifest';
  if (sections === null) return null;
  const wrong = sections.findIndex((section, part) => {
    const sum = sums[part] ?? null;
    return sum !== null && sum !== sha256(new Uint8Array(section.buffer, section.byteOffset, section.byteLength));
  });
  return wrong < 0 ? null : `it does not match the keys of part ${wrong}`;
}

/** Null where the snapshot has no index, or no identity is set to open it. */
async function loadSections(
  { encryptor, store }: IndexPorts,
  manifest: Manifest,
): Promise<Uint32Array[] | 'missing' | 'altered' | null> {
  const { doubles, id, keyIndex, parts } = manifest;
  if (keyIndex === undefined) return null;
  const found = await store.read(partName(id, keyIndex.name));
  if (found === null) return 'missing';
  if (sha256(found.body) !== keyIndex.stored.sha256) return 'altered';
  const suffix = suffixOf(keyIndex.name);
  if (suffix !== '' && !encryptor.canOpen) return null;
  const plain = await encryptor.open(found.body, suffix);
  const counts = parts.map(({ keys }, part) => keys - duplicateLines(doubles, part).size);
  if (plain.length !== WIDTH * counts.reduce((sum, count) => sum + count, 0)) return 'altered';
  // A copy: the offset of a typed array must be a multiple of its element size.
  const all = new Uint32Array(new Uint8Array(plain).buffer);
  let from = 0;
  return counts.map((count) => all.subarray(from, (from += count)));
}

function includesHash(sorted: Uint32Array, wanted: number): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}
