import { createHash } from 'node:crypto';

/** Up to this many elements are sorted as they are; beyond it by 64 bits of their hashes, so that memory stays flat. */
const SORTED_WHOLE = 1000;

/** Order matters in these types; in all others an element counts once, wherever it stands. */
const ORDERED = new Set(['string', 'json', 'list', 'stream']);

/** SHA-256 over a canonical form of one value, fed piece by piece. */
export interface ValueDigest {
  /** The next bytes of a string, or of a JSON text. */
  bytes(chunk: Buffer): void;
  /** The next element of a collection. */
  element(...fields: Buffer[]): void;
  /** Hex. */
  finish(): string;
}

export interface StreamGroup {
  readonly name: Buffer;
  readonly lastId: string;
  readonly consumers: readonly Buffer[];
  readonly pending: readonly { readonly id: string; readonly consumer: Buffer; readonly deliveries: number }[];
}

export function valueDigest(type: string): ValueDigest {
  const hash = createHash('sha256');
  if (ORDERED.has(type)) {
    return {
      bytes: (chunk) => void hash.update(chunk),
      element: (...fields) => void hash.update(frame(fields)),
      finish: () => hash.digest('hex'),
    };
  }
  const bag = elementBag();
  return {
    bytes: () => {
      throw new Error(`a ${type} has elements, no bytes`);
    },
    element: (...fields) => bag.add(frame(fields)),
    finish: () => {
      for (const piece of bag.sorted()) hash.update(piece);
      return hash.digest('hex');
    },
  };
}

/** A score as the eight bytes of its double: Redis versions print the same score differently. */
export function scoreBytes(text: string): Buffer {
  const infinite = /^([+-]?)inf(inity)?$/i.exec(text);
  const score = infinite === null ? Number(text) : infinite[1] === '-' ? -Infinity : Infinity;
  if (Number.isNaN(score) || text.trim() === '') throw new Error('a score is no number');
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(score);
  return bytes;
}

/** What a stream is besides its entries, in its own order; delivery times are left out. */
export function addStreamTail(digest: ValueDigest, lastId: string, groups: readonly StreamGroup[]): void {
  digest.element(Buffer.from('last-id'), Buffer.from(lastId));
  for (const group of [...groups].sort((a, b) => a.name.compare(b.name))) {
    digest.element(Buffer.from('group'), group.name, Buffer.from(group.lastId));
    for (const name of [...group.consumers].sort((a, b) => a.compare(b))) digest.element(Buffer.from('consumer'), name);
    for (const { id, consumer, deliveries } of [...group.pending].sort((a, b) => compareIds(a.id, b.id))) {
      digest.element(Buffer.from('pending'), Buffer.from(id), consumer, Buffer.from(String(deliveries)));
    }
  }
}

function compareIds(a: string, b: string): number {
  const [aMs = '0', aSeq = '0'] = a.split('-');
  const [bMs = '0', bSeq = '0'] = b.split('-');
  const difference = BigInt(aMs) - BigInt(bMs) || BigInt(aSeq) - BigInt(bSeq);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Count and lengths go in front, so that no two lists of fields give the same bytes. */
function frame(fields: readonly Buffer[]): Buffer {
  const framed = Buffer.allocUnsafe(fields.reduce((sum, field) => sum + 4 + field.length, 4));
  let at = framed.writeUInt32BE(fields.length, 0);
  for (const field of fields) {
    at = framed.writeUInt32BE(field.length, at);
    at += field.copy(framed, at);
  }
  return framed;
}

/** The distinct elements of a collection. */
function elementBag() {
  let whole: Buffer[] = [];
  let prefixes: BigUint64Array | null = null;
  let count = 0;

  const addPrefix = (element: Buffer): void => {
    prefixes ??= new BigUint64Array(4 * SORTED_WHOLE);
    if (count === prefixes.length) {
      const larger = new BigUint64Array(prefixes.length * 2);
      larger.set(prefixes);
      prefixes = larger;
    }
    prefixes[count++] = createHash('sha256').update(element).digest().readBigUInt64BE();
  };
  const spill = (): void => {
    const distinct = distinctNeighbours(whole.sort((a, b) => a.compare(b)));
    if (distinct.length <= SORTED_WHOLE) {
      whole = distinct;
      return;
    }
    for (const element of distinct) addPrefix(element);
    whole = [];
  };
  return {
    add(element: Buffer): void {
      if (prefixes !== null) {
        addPrefix(element);
        return;
      }
      whole.push(element);
      if (whole.length > 2 * SORTED_WHOLE) spill();
    },
    sorted(): Buffer[] {
      if (prefixes === null) spill();
      if (prefixes === null) return whole;
      const sorted = prefixes.subarray(0, count).sort();
      const kept = sorted.filter((prefix, index) => index === 0 || prefix !== sorted[index - 1]);
      return [Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength)];
    },
  };
}

function distinctNeighbours(sorted: Buffer[]): Buffer[] {
  return sorted.filter((element, index) => {
    const before = sorted[index - 1];
    return before === undefined || !before.equals(element);
  });
}
