import { seededRandom, type Random } from './random.js';
import { changeCommand, createCommand, collectionWriter, type Argument, type Write } from './write.js';

export interface MixedOptions {
  /** How many keys; odd names come first. */
  readonly keys: number;
  readonly seed: number;
}

/** 1 January 2100. */
const FAR_FUTURE = 4_102_444_800_000;
const BOM = '\ufeff';

/** Names that are difficult for JSON, clusters, shells or text decoders. */
const ODD_NAMES: readonly Argument[] = [
  ...[
    '',
    ' ',
    'a b',
    'line\nbreak',
    'tab\tand\r',
    '"quoted"',
    '\\',
    '*',
    '{tag}:1',
    '__proto__',
    'constructor',
    '0',
    '👩‍👩‍👧',
  ],
  ...[`${BOM}bom`, 'é', 'e\u0301', '\u0000', 'null', 'feedback', 'feedback:a:b:c', 'x'.repeat(2000)],
  ...[[0xff], [0x80, 0x00, 0xfe], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]].map((bytes) =>
    Buffer.from(bytes),
  ),
];

const ODD_VALUES: readonly Argument[] = [
  ...['', 'OK', 'null', 'true', '1', '01', '-0', '1e400', 'NaN', '9007199254740993', '{"a":', '"text"', 'T0s='],
  ...['line\nbreak', '\r\n', '\u0000', '\u2028', `${BOM}text`, '👋🏽', '\ufffd', '__proto__'],
  ...[[0xff, 0xfe], [0x80], [0xc0, 0xaf], [0x00, 0xff, 0x0a]].map((bytes) => Buffer.from(bytes)),
];

const ODD_SCORES = [
  'inf',
  '-inf',
  '0',
  '-0',
  '0.1',
  '12345678.123456789',
  '9007199254740993',
  '1e-320',
  '1.7976931348623157e308',
];

type Kind = (random: Random, key: Argument) => Iterable<Write>;

const KINDS: readonly Kind[] = [writeString, writeHash, writeList, writeSet, writeScores, writeStream];

/** Keys of every type, from empty to some 100 kB, a quarter of them with an expiry in the far future. */
export function* writeMixed({ keys, seed }: MixedOptions): Generator<Write> {
  const random = seededRandom(seed);
  for (let index = 0; index < keys; index++) {
    const name = ODD_NAMES[index] ?? `mixed:${index}:${random.text(8, 'abcdefghij')}`;
    const kind = KINDS[index % KINDS.length] ?? writeString;
    yield* kind(random, name);
    if (random.chance(0.25)) yield changeCommand(null, 'PEXPIREAT', name, String(FAR_FUTURE + index));
  }
}

/** A hash of this many fields, of about 100 bytes each. */
export function* bigHash(name: Argument, fields: number): Generator<Write> {
  const random = seededRandom(fields);
  const hash = collectionWriter(null, 'HSET', name);
  for (let index = 0; index < fields; index++) yield* hash.add(`field:${index}`, random.text(90, 'abcdefghijklmnop '));
  yield* hash.rest();
}

/** A string of this many bytes, with all values from 0 to 255. */
export function* bigString(name: Argument, bytes: number): Generator<Write> {
  const block = seededRandom(bytes).bytes(Math.min(bytes, 256 * 1024));
  yield createCommand(null, 'SET', name, block);
  for (let left = bytes - block.length; left > 0; left -= block.length) {
    yield changeCommand(null, 'APPEND', name, block.subarray(0, left));
  }
}

function* writeString(random: Random, key: Argument): Generator<Write> {
  yield createCommand(
    null,
    'SET',
    key,
    random.chance(0.01) ? random.bytes(random.whole(1000, 300_000)) : value(random),
  );
}

function* writeHash(random: Random, key: Argument): Generator<Write> {
  const hash = collectionWriter(null, 'HSET', key);
  for (let count = size(random); count > 0; count--) yield* hash.add(value(random), value(random));
  yield* hash.rest();
}

function* writeList(random: Random, key: Argument): Generator<Write> {
  const list = collectionWriter(null, 'RPUSH', key);
  for (let count = size(random); count > 0; count--) yield* list.add(value(random));
  yield* list.rest();
}

function* writeSet(random: Random, key: Argument): Generator<Write> {
  const set = collectionWriter(null, 'SADD', key);
  const isOfNumbers = random.chance(0.3);
  for (let count = size(random); count > 0; count--) {
    yield* set.add(isOfNumbers ? String(random.whole(-1e9, 1e9)) : value(random));
  }
  yield* set.rest();
}

function* writeScores(random: Random, key: Argument): Generator<Write> {
  const scores = collectionWriter(null, 'ZADD', key);
  for (let count = size(random); count > 0; count--) {
    yield* scores.add(random.chance(0.3) ? random.pick(ODD_SCORES) : String(random.next() * 1e9), value(random));
  }
  yield* scores.rest();
}

/** Most collections are small; some span several pages. */
function size(random: Random): number {
  return random.chance(0.01) ? random.whole(1000, 3000) : random.whole(1, 30);
}

function value(random: Random): Argument {
  if (random.chance(0.25)) return random.pick(ODD_VALUES);
  if (random.chance(0.1)) return random.bytes(random.whole(1, 200));
  return random.text(random.whole(1, 60), 'abcdefghijklmnopqrstuvwxyz äöü€😀'.normalize());
}

/**
 * A stream with every feature: entries, a deleted last entry, groups at different positions, consumers with and without
 * pending entries, and entries delivered more than once.
 */
function* writeStream(random: Random, key: Argument): Generator<Write> {
  const count = random.chance(0.02) ? random.whole(1000, 2500) : random.whole(0, 12);
  yield createCommand(null, 'XGROUP', 'CREATE', key, 'readers', '0', 'MKSTREAM');
  const start = 1_760_000_000_000 + random.whole(0, 1e9);
  const ids = Array.from({ length: count }, (_, index) => `${start + Math.floor(index / 3)}-${index % 3}`);
  for (const id of ids) yield changeCommand(null, 'XADD', key, id, ...fields(random));
  yield changeCommand(null, 'XGROUP', 'CREATE', key, Buffer.from([0x67, 0xff]), ids[Math.floor(count / 2)] ?? '$');
  yield changeCommand(null, 'XGROUP', 'CREATECONSUMER', key, 'readers', 'idle');
  yield* deliver(random, key, ids);
  // Only an entry that is not pending is deleted: a pending entry without its message cannot be restored.
  if (count > 5) yield changeCommand(null, 'XDEL', key, ids.at(-1) ?? '');
}

function* deliver(random: Random, key: Argument, ids: readonly string[]): Generator<Write> {
  const half = Math.floor(ids.length / 2);
  const [first, second] = ids;
  if (half < 1 || first === undefined) return;
  const read = (consumer: string, count: number): Write =>
    changeCommand(null, 'XREADGROUP', 'GROUP', 'readers', consumer, 'COUNT', String(count), 'STREAMS', key, '>');
  yield read('one', 1);
  if (half > 1) yield read('two 👀', half - 1);
  if (second !== undefined && half > 1 && random.chance(0.5)) yield changeCommand(null, 'XACK', key, 'readers', second);
  yield changeCommand(null, 'XCLAIM', key, 'readers', 'two 👀', '0', first, 'RETRYCOUNT', String(random.whole(2, 9)));
}

function fields(random: Random): Argument[] {
  const pairs = Array.from({ length: random.whole(1, 4) }, (_, index): Argument[] => [
    index === 0 ? 'kind' : `field ${index}`,
    random.chance(0.1) ? random.bytes(20) : random.text(random.whole(0, 80), 'abc def😀'),
  ]);
  return pairs.flat();
}
