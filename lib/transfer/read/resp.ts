import { isUtf8 } from 'node:buffer';
import { MAX_KEY_EXPIRY, type ExpiryTime } from '../../snapshot/expiry-time.js';
import { hashSet } from '../../snapshot/hash-set.js';
import { keyHash } from '../../snapshot/key-set.js';
import type { RecordLine, RecordType } from '../../snapshot/record.js';
import { toText, type Text } from '../../snapshot/text.js';
import { severalDatabases } from '../rdb/index.js';
import { malformed, type FileFault } from '../fault.js';
import { ByteReader, type Window } from './bytes.js';
import type { Item, ReadingFacts, ReadOptions } from './items.js';
import { item, pair, pieces, recordOf, scored, type Element } from './pages.js';
import { isDocument, isScore, shown } from './records.js';

/** Tools that dump over several connections mix the commands of a few keys: this many keys, and bytes, wait for more. */
const OPEN_KEYS = 10_000;
const OPEN_BYTES = 32 * 1024 * 1024;
const LARGEST_KEY = 128 * 1024 * 1024;
const MOST_ARGUMENTS = 4_000_000;
const LONGEST_ARGUMENT = 512 * 1024 * 1024;

export function isResp(head: Buffer): boolean {
  return /^\*[1-9]\d{0,7}\r\n\$/.test(head.toString('latin1'));
}

interface OpenKey {
  readonly key: Buffer;
  readonly type: RecordType;
  elements: Element[];
  bytes: number;
  expiry: ExpiryTime | null;
  /** Fields of a hash that expire. */
  readonly expiring: Set<string>;
}

/**
 * The keys that a file of commands for `redis-cli --pipe` makes, in an empty database: what upstash-redis-dump and
 * redis-dump-go write, and this program's `resp` as far as it has no streams. Throws FileFault for another command, and
 * for one whose key was finished too long before.
 */
export async function* respItems(
  chunks: AsyncGenerator<Buffer>,
  facts: ReadingFacts,
  options: ReadOptions,
): AsyncGenerator<Item> {
  const reader = new ByteReader(chunks);
  const keys = new OpenKeys();
  const bases = { current: 0, only: null as number | null };
  let passed = 0;
  while (!(await reader.atEnd())) {
    const at = `byte ${reader.offset}`;
    const [name = '', ...args] = await reader.read((window) => commandOf(window, at));
    const command = name.toString('latin1').toUpperCase();
    if (command === 'SELECT') {
      const number = args[0]?.toString('latin1') ?? '';
      if (!/^\d{1,5}$/.test(number)) throw malformed(at, 'SELECT names no database', HINT);
      bases.current = Number(number);
      continue;
    }
    if (options.database !== null && bases.current !== options.database) {
      passed += 1;
      continue;
    }
    bases.only ??= bases.current;
    if (bases.only !== bases.current) throw severalDatabases(bases.only, bases.current, at);
    apply(keys, command, args, options.from, (what, hint) => malformed(at, what, hint ?? HINT));
    yield* keys.overflow((what) => malformed(at, what, HINT));
  }
  yield* keys.rest();
  if (passed > 0) facts.remarks.push(`commands for other databases were passed over: ${passed}`);
  facts.remarks.push(
    'nothing in the file says where it ends, so that commands that were left out at its end would not show',
  );
}

const HINT = 'Commands that are read, and which tools write them: docs/format.md, "Files that are read".';

function commandOf(window: Window, at: string): Buffer[] {
  const count = lengthOf(window, '*', MOST_ARGUMENTS, at);
  return Array.from({ length: count }, () => {
    const bytes = Buffer.from(window.bytes(lengthOf(window, '$', LONGEST_ARGUMENT, at)));
    if (window.bytes(2).toString('latin1') !== '\r\n') throw malformed(at, 'it is no command as RESP has it');
    return bytes;
  });
}

function lengthOf(window: Window, mark: string, most: number, at: string): number {
  const text = window.crlf(16).toString('latin1');
  const length = /^\d+$/.test(text.slice(1)) && text.startsWith(mark) ? Number(text.slice(1)) : Number.NaN;
  if (length <= most) return length;
  throw malformed(at, 'it is no command as RESP has it', HINT);
}

type Wrong = (what: string, hint?: string) => FileFault;

const ADDING: Readonly<Record<string, { readonly type: RecordType; readonly group: 1 | 2 }>> = {
  HSET: { type: 'hash', group: 2 },
  HMSET: { type: 'hash', group: 2 },
  RPUSH: { type: 'list', group: 1 },
  SADD: { type: 'set', group: 1 },
  ZADD: { type: 'zset', group: 2 },
};

/** Command, milliseconds of its unit, whether it counts from now. */
const EXPIRING: Readonly<Record<string, readonly [ms: number, relative: boolean]>> = {
  EXPIREAT: [1000, false],
  PEXPIREAT: [1, false],
  EXPIRE: [1000, true],
  PEXPIRE: [1, true],
};

const SET_OPTIONS: Readonly<Record<string, string>> = {
  EXAT: 'EXPIREAT',
  PXAT: 'PEXPIREAT',
  EX: 'EXPIRE',
  PX: 'PEXPIRE',
};

function apply(keys: OpenKeys, command: string, args: readonly Buffer[], from: number, wrong: Wrong): void {
  const [key = Buffer.alloc(0), ...rest] = args;
  const adding = ADDING[command];
  if (adding !== undefined) keys.add(...added(keys.of(key, adding.type, wrong), adding.group, rest, wrong));
  else if (command in EXPIRING) keys.known(key, wrong).expiry = timeOf(command, only(rest, wrong), from, wrong);
  else if (command === 'SET') set(keys, key, rest, from, wrong);
  else if (command === 'MSET') setMany(keys, args, from, wrong);
  else if (command === 'APPEND') keys.add(keys.of(key, 'string', wrong), [...pieces(only(rest, wrong))]);
  else if (command === 'JSON.SET') setDocument(keys, key, rest, wrong);
  else if (command === 'DEL' || command === 'UNLINK') for (const each of args) keys.drop(each, wrong);
  else if (command === 'PERSIST' && rest.length === 0) keys.known(key, wrong).expiry = null;
  else if (command === 'HPEXPIREAT') expireFields(keys.known(key, wrong), rest, wrong);
  else throw wrong(`the command ${shown(command)} is not read`);
}

/** An option changes what a command does: it is not passed over. */
function only([argument, ...more]: readonly Buffer[], wrong: Wrong): Buffer {
  if (argument !== undefined && more.length === 0) return argument;
  throw wrong('a command lacks an argument, or has an option that is not read');
}

function setMany(keys: OpenKeys, args: readonly Buffer[], from: number, wrong: Wrong): void {
  if (args.length % 2 !== 0) throw wrong('MSET lacks a value');
  for (let at = 0; at < args.length; at += 2) set(keys, args[at] as Buffer, args.slice(at + 1, at + 2), from, wrong);
}

function setDocument(keys: OpenKeys, key: Buffer, [path, text, ...more]: readonly Buffer[], wrong: Wrong): void {
  if (path?.toString('latin1') !== '$' || text === undefined || more.length > 0) {
    throw wrong('JSON.SET sets a part of a document, or has an option that is not read');
  }
  if (!isUtf8(text) || !isDocument(text.toString('utf8'))) throw wrong('JSON.SET sets what is no document');
  keys.drop(key, wrong);
  keys.add(keys.of(key, 'json', wrong), [item(text)]);
}

function set(
  keys: OpenKeys,
  key: Buffer,
  [value, option, time, ...more]: readonly Buffer[],
  from: number,
  wrong: Wrong,
): void {
  const kind = option?.toString('latin1').toUpperCase();
  const expiring = kind === undefined ? undefined : SET_OPTIONS[kind];
  if (value === undefined || more.length > 0 || (kind !== undefined && expiring === undefined))
    throw wrong('SET has an option that is not read');
  keys.drop(key, wrong);
  const open = keys.of(key, 'string', wrong);
  keys.add(open, [...pieces(value)]);
  if (expiring !== undefined) open.expiry = timeOf(expiring, time, from, wrong);
}

function added(open: OpenKey, group: 1 | 2, rest: readonly Buffer[], wrong: Wrong): [OpenKey, Element[]] {
  if (rest.length === 0 || rest.length % group !== 0) throw wrong('a command lacks an argument');
  const elements: Element[] = [];
  for (let at = 0; at < rest.length; at += group) {
    const [first, second] = [rest[at] as Buffer, rest[at + 1] ?? Buffer.alloc(0)];
    if (group === 1) elements.push(item(first));
    else elements.push(open.type === 'zset' ? scored(second, scoreOf(first, wrong)) : pair(first, second));
  }
  if (open.expiring.size > 0) persistFields(open, elements);
  return [open, elements];
}

/** A field that is set again expires no more. */
function persistFields(open: OpenKey, set: readonly Element[]): void {
  const again = new Set(set.map(fieldName).filter((name) => open.expiring.delete(name)));
  if (again.size === 0) return;
  open.elements = open.elements.map((element) =>
    again.has(fieldName(element)) ? { value: element.value, bytes: element.bytes } : element,
  );
}

function fieldName({ value }: Element): string {
  return JSON.stringify((value as readonly unknown[])[0]);
}

function scoreOf(bytes: Buffer, wrong: Wrong): string {
  const score = bytes.toString('latin1').toLowerCase().replace(/^\+/, '');
  if (!isScore(score)) throw wrong('a score is no number, or ZADD has an option that is not read');
  return score;
}

function timeOf(command: string, bytes: Buffer | undefined, from: number, wrong: Wrong): ExpiryTime {
  const text = bytes?.toString('latin1') ?? '';
  const [unit, relative] = EXPIRING[command] ?? [1, false];
  if (!/^\d{1,19}$/.test(text)) throw wrong('an expiry is no time');
  const ms = BigInt(text) * BigInt(unit) + (relative ? BigInt(from) : 0n);
  if (ms > BigInt(MAX_KEY_EXPIRY)) throw wrong('an expiry is no time');
  return ms <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ms) : String(ms);
}

/** `time FIELDS count field ...` */
function expireFields(open: OpenKey, [time, word, count, ...fields]: readonly Buffer[], wrong: Wrong): void {
  const isWhole =
    word?.toString('latin1').toUpperCase() === 'FIELDS' && Number(count?.toString('latin1')) === fields.length;
  if (!isWhole || open.type !== 'hash') throw wrong('HPEXPIREAT is not as it is read');
  const expiry = timeOf('PEXPIREAT', time, 0, wrong);
  const named = new Set(fields.map((field) => JSON.stringify(toText(field))));
  open.elements = open.elements.map((element) => {
    if (!named.has(fieldName(element))) return element;
    open.expiring.add(fieldName(element));
    return { ...element, expiry };
  });
}

function newKey(key: Buffer, type: RecordType): OpenKey {
  return { key, type, elements: [], bytes: key.length, expiry: null, expiring: new Set() };
}

/**
 * The keys that commands may still come for, in the order in which they were touched. A command for one that was let go
 * is refused: what it makes of the key could not be told any more.
 */
class OpenKeys {
  private readonly open = new Map<string, OpenKey>();
  private readonly closed = hashSet();
  private bytes = 0;

  /** The key, begun if need be. */
  of(key: Buffer, type: RecordType, wrong: Wrong): OpenKey {
    const name = key.toString('latin1');
    const found = this.find(name, key, wrong) ?? newKey(key, type);
    if (found.type !== type) throw wrong(`a ${found.type} gets a command for a ${type}`);
    this.open.delete(name);
    this.open.set(name, found);
    return found;
  }

  /** A key that a command before made. */
  known(key: Buffer, wrong: Wrong): OpenKey {
    const found = this.find(key.toString('latin1'), key, wrong);
    if (found !== undefined) return found;
    throw wrong('a command is for a key that no command before it makes');
  }

  add(open: OpenKey, elements: readonly Element[]): void {
    for (const element of elements) {
      open.elements.push(element);
      open.bytes += element.bytes;
      this.bytes += element.bytes;
    }
  }

  drop(key: Buffer, wrong: Wrong): void {
    const name = key.toString('latin1');
    const found = this.find(name, key, wrong);
    if (found === undefined) return;
    this.bytes -= found.bytes - key.length;
    this.open.delete(name);
  }

  /** Lets go of those that were touched longest ago, as long as there are too many. */
  *overflow(wrong: Wrong): Generator<Item> {
    for (const [name, oldest] of this.open) {
      if (this.open.size <= OPEN_KEYS && this.bytes <= OPEN_BYTES) return;
      if (this.open.size === 1) {
        if (oldest.bytes <= LARGEST_KEY) return;
        throw wrong(
          `a key is larger than ${LARGEST_KEY / 1024 / 1024} MiB, more than is read from commands`,
          'Take an RDB file of the database instead.',
        );
      }
      yield* this.close(name, oldest);
    }
  }

  *rest(): Generator<Item> {
    for (const [name, open] of this.open) yield* this.close(name, open);
  }

  private *close(name: string, open: OpenKey): Generator<Item> {
    this.open.delete(name);
    this.closed.add(open.key);
    this.bytes -= open.bytes - open.key.length;
    for (const line of linesOf(open)) yield { line };
  }

  private find(name: string, key: Buffer, wrong: Wrong): OpenKey | undefined {
    const found = this.open.get(name);
    if (found === undefined && this.closed.hasHash(keyHash(key))) {
      throw wrong(
        'it is for a key whose other commands stand far before it',
        'Write the dump over one connection: redis-dump-go and upstash-redis-dump do with `-n 1`.',
      );
    }
    return found;
  }
}

function linesOf({ elements, expiry, key, type }: OpenKey): Iterable<RecordLine> {
  if (type !== 'json') return recordOf({ key, type, expiry }, elements);
  const v = elements[0]?.value as Text;
  return [{ k: toText(key), t: 'json', ...(expiry === null ? {} : { x: expiry }), v }];
}
