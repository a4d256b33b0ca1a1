import { AppError } from '../errors.js';
import type { ObjectStore, Encryptor } from '../ports/index.js';
import { duplicateLines } from './duplicates.js';
import { keyHash } from './key-set.js';
import { sha256, type KeyIndexObject, type Manifest } from './manifest.js';
import { keyIndexFile, partName, suffixOf } from './names.js';
import type { UnpackedIndex } from './part-index.js';

/** Bytes that a key takes: the lower half of its hash. */
const WIDTH = 4;

interface IndexPorts {
  readonly store: ObjectStore;
  readonly encryptor: Encryptor;
}

/** Tells in which parts of a snapshot a key may begin. */
interface KeyIndex {
  /** Ascending; another key with the same 32 bits of hash brings a part too many once in 2^32 / keys. */
  partsOf(key: Buffer): number[];
}

/**
 * One part's section of the index: a 32-bit number for each record that begins in the part and counts (the lower half of
 * the XXH64 of its key, seed 0), ascending, little-endian.
 */
export function indexSection({ hashes, lines }: UnpackedIndex, without: ReadonlySet<number>): Buffer {
  // Two hashes of 64 bits a record, of which the first word of the first is the lower half.
  const words = new Uint32Array(hashes.buffer, hashes.byteOffset, hashes.length * 2);
  const section = new Uint32Array(lines.length);
  let filled = 0;
  for (const [at, line] of lines.entries()) if (!without.has(line)) section[filled++] = words[4 * at] ?? 0;
  const sorted = section.subarray(0, filled).sort();
  return Buffer.from(sorted.buffer, sorted.byteOffset, sorted.byteLength);
}

/**
 * Writes the index of a snapshot, the sections of its parts in order, beside the parts, encrypted as they are, and reads it
 * back. Throws `damaged` when the store does not give back what was written.
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
  throw new AppError('damaged', `The store did not give back what was written: ${name}`, {
    hint: 'Check the bucket (versioning, lifecycle rules, other writers) and take another snapshot.',
  });
}

/**
 * The index of a snapshot; null where it has none that can be used: it is from an earlier version, its index is gone or
 * altered (`verify` says so), or there is no identity to open it. Then every part may hold every key.
 */
export async function loadKeyIndex(ports: IndexPorts, manifest: Manifest): Promise<KeyIndex | null> {
  const sections = await loadSections(ports, manifest);
  if (sections === null || sections === 'missing' || sections === 'altered') return null;
  return {
    partsOf(key) {
      const wanted = Number(keyHash(key) & 0xffffffffn);
      return sections.flatMap((section, part) => (has(section, wanted) ? [part] : []));
    },
  };
}

/**
 * What is wrong with the index of a snapshot, in words; null when nothing is. `sums`: the SHA-256 of each part's section
 * as the part's own lines give it, null for parts that could not be opened.
 */
export async function checkKeyIndex(
  ports: IndexPorts,
  manifest: Manifest,
  sums: readonly (string | null)[],
): Promise<string | null> {
  const sections = await loadSections(ports, manifest);
  if (sections === 'missing') return 'the object is not in the store';
  if (sections === 'altered') return 'its bytes are not those that the manifest names';
  if (sections === null) return null;
  const wrong = sections.findIndex((section, part) => {
    const sum = sums[part] ?? null;
    return sum !== null && sum !== sha256(new Uint8Array(section.buffer, section.byteOffset, section.byteLength));
  });
  return wrong < 0 ? null : `it does not name the keys of part ${wrong}`;
}

/** Null where the snapshot has no index, or it cannot be opened here. */
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
  // A copy: an array of numbers has to begin where its width divides the offset.
  const all = new Uint32Array(new Uint8Array(plain).buffer);
  let from = 0;
  return counts.map((count) => all.subarray(from, (from += count)));
}

function has(sorted: Uint32Array, wanted: number): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}
