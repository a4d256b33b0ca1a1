import { isUtf8 } from 'node:buffer';
import { MAX_KEY_EXPIRY, type ExpiryTime, type RecordLine, type RecordType } from '../../snapshot/record.js';
import { hashSet, keyHash } from '../../redis/key-sets.js';
import { toText, type Text } from '../../soulcaster/text.js';
import { malformedFault, type FileFault } from '../fault.js';
import {
  DatabaseFilter,
  toItem,
  toPair,
  splitString,
  buildRecord,
  toScored,
  type Item,
  type ReadingFacts,
  type ReadOptions,
  type Element,
} from './items.js';
import { ByteReader, type Window } from './bytes.js';
import { isDocument, isScore, toPrintable } from './checks.js';

/** Tools that dump over several connections mix the commands of a few keys: this many keys and bytes are kept open. */
const OPEN_KEYS = 10_000;
const OPEN_BYTES = 32 * 1024 * 1024;
const MAX_KEY_BYTES = 128 * 1024 * 1024;
const MAX_ARGUMENTS = 4_000_000;
const MAX_ARGUMENT_BYTES = 512 * 1024 * 1024;

export function isResp(head: Buffer): boolean {
  return /^\*[1-9]\d{0,7}\r\n\$/.test(head.toString('latin1'));
}

interface OpenKey {
  readonly key: Buffer;
  readonly type: RecordType;
  elements: Element[];
  bytes: number;
  expiry: ExpiryTime | null;
  /** Names of expiring fields of a hash. */
  readonly expiring: Set<string>;
}

/**
 * The keys that a file of commands for `redis-cli --pipe` creates in an empty database: the output of upstash-redis-dump
 * and redis-dump-go, and this program's `resp` without streams. Throws FileFault for any other command, and for a command
 * whose key was closed before.
 */
export async function* respItems(
  chunks: AsyncGenerator<Buffer>,
  facts: ReadingFacts,
  options: ReadOptions,
): AsyncGenerator<Item> {
  const reader = new ByteReader(chunks);
  const keys = new OpenKeys();
  const databases = new DatabaseFilter(options.database);
  let database = 0;
  while (!(await reader.isAtEnd())) {
    const at = `byte ${reader.offset}`;
    const [name = '', ...args] = await reader.read((window) => readCommand(window, at));
    const command = name.toString('latin1').toUpperCase();
    if (command === 'SELECT') {
      const number = args[0]?.toString('latin1') ?? '';
      if (!/^\d{1,5}$/.test(number)) throw malformedFault(at, 'SELECT names no database', HINT);
      database = Number(number);
      continue;
    }
    if (!databases.wants(database, at)) continue;
    applyCommand(keys, command, args, options.from, (what, hint) => malformedFault(at, what, hint ?? HINT));
    yield* keys.closeOldest((what) => malformedFault(at, what, HINT));
  }
  yield* keys.closeAll();
  const { allSkipped } = databases;
  if (allSkipped > 0) facts.remarks.push(`commands for other databases were skipped: ${allSkipped}`);
  facts.remarks.push('nothing in the file says where it ends, so commands missing at its end cannot be detected');
}

const HINT = 'Supported commands, and the tools that write them: docs/format.md, "Files that are read".';

function readCommand(window: Window, at: string): Buffer[] {
  const count = readLength(window, '*', MAX_ARGUMENTS, at);
  return Array.from({ length: count }, () => {
    const bytes = Buffer.from(window.bytes(readLength(window, '$', MAX_ARGUMENT_BYTES, at)));
    if (window.bytes(2).toString('latin1') !== '\r\n') throw malformedFault(at, 'it is not a RESP command');
    return bytes;
  });
}

function readLength(window: Window, mark: string, most: number, at: string): number {
  const text = window.untilCrlf(16).toString('latin1');
  const length = /^\d+$/.test(text.slice(1)) && text.startsWith(mark) ? Number(text.slice(1)) : Number.NaN;
  if (length <= most) return length;
  throw malformedFault(at, 'it is not a RESP command', HINT);
}

type ToFault = (what: string, hint?: string) => FileFault;

const ADDING: Readonly<Record<string, { readonly type: RecordType; readonly group: 1 | 2 }>> = {
  HSET: { type: 'hash', group: 2 },
  HMSET: { type: 'hash', group: 2 },
  RPUSH: { type: 'list', group: 1 },
  SADD: { type: 'set', group: 1 },
  ZADD: { type: 'zset', group: 2 },
};

/** By command: its unit in milliseconds, and whether the time is relative. */
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

function applyCommand(keys: OpenKeys, command: string, args: readonly Buffer[], from: number, toFault: ToFault): void {
  const [key = Buffer.alloc(0), ...rest] = args;
  const adding = ADDING[command];
  if (adding !== undefined)
    keys.add(...toElements(keys.findOrCreate(key, adding.type, toFault), adding.group, rest, toFault));
  else if (command in EXPIRING)
    keys.findKnown(key, toFault).expiry = parseTime(command, assertSingle(rest, toFault), from, toFault);
  else if (command === 'SET') setString(keys, key, rest, from, toFault);
  else if (command === 'MSET') setMany(keys, args, from, toFault);
  else if (command === 'APPEND')
    keys.add(keys.findOrCreate(key, 'string', toFault), [...splitString(assertSingle(rest, toFault))]);
  else if (command === 'JSON.SET') setDocument(keys, key, rest, toFault);
  else if (command === 'DEL' || command === 'UNLINK') for (const each of args) keys.remove(each, toFault);
  else if (command === 'PERSIST' && rest.length === 0) keys.findKnown(key, toFault).expiry = null;
  else if (command === 'HPEXPIREAT') expireFields(keys.findKnown(key, toFault), rest, toFault);
  else throw toFault(`the command ${toPrintable(command)} is not supported`);
}

/** An option changes the effect of a command, so it is not ignored. */
function assertSingle([argument, ...more]: readonly Buffer[], toFault: ToFault): Buffer {
  if (argument !== undefined && more.length === 0) return argument;
  throw toFault('a command lacks an argument, or has an option that is not supported');
}

function setMany(keys: OpenKeys, args: readonly Buffer[], from: number, toFault: ToFault): void {
  if (args.length % 2 !== 0) throw toFault('MSET lacks a value');
  for (let at = 0; at < args.length; at += 2)
    setString(keys, args[at] as Buffer, args.slice(at + 1, at + 2), from, toFault);
}

function setDocument(keys: OpenKeys, key: Buffer, [path, text, ...more]: readonly Buffer[], toFault: ToFault): void {
  if (path?.toString('latin1') !== '$' || text === undefined || more.length > 0) {
    throw toFault('JSON.SET sets a part of a document, or has an option that is not supported');
  }
  if (!isUtf8(text) || !isDocument(text.toString('utf8')))
    throw toFault('JSON.SET sets a value that is not a document');
  keys.remove(key, toFault);
  keys.add(keys.findOrCreate(key, 'json', toFault), [toItem(text)]);
}

function setString(
  keys: OpenKeys,
  key: Buffer,
  [value, option, time, ...more]: readonly Buffer[],
  from: number,
  toFault: ToFault,
): void {
  const kind = option?.toString('latin1').toUpperCase();
  const expiring = kind === undefined ? undefined : SET_OPTIONS[kind];
  if (value === undefined || more.length > 0 || (kind !== undefined && expiring === undefined))
    throw toFault('SET has an option that is not supported');
  keys.remove(key, toFault);
  const open = keys.findOrCreate(key, 'string', toFault);
  keys.add(open, [...splitString(value)]);
  if (expiring !== undefined) open.expiry = parseTime(expiring, time, from, toFault);
}

function toElements(open: OpenKey, group: 1 | 2, rest: readonly Buffer[], toFault: ToFault): [OpenKey, Element[]] {
  if (rest.length === 0 || rest.length % group !== 0) throw toFault('a command lacks an argument');
  const elements: Element[] = [];
  for (let at = 0; at < rest.length; at += group) {
    const [first, second] = [rest[at] as Buffer, rest[at + 1] ?? Buffer.alloc(0)];
    if (group === 1) elements.push(toItem(first));
    else elements.push(open.type === 'zset' ? toScored(second, parseScore(first, toFault)) : toPair(first, second));
  }
  if (open.expiring.size > 0) persistFields(open, elements);
  return [open, elements];
}

/** A field that is set again no longer expires. */
function persistFields(open: OpenKey, elements: readonly Element[]): void {
  const again = new Set(elements.map(fieldName).filter((name) => open.expiring.delete(name)));
  if (again.size === 0) return;
  open.elements = open.elements.map((element) =>
    again.has(fieldName(element)) ? { value: element.value, bytes: element.bytes } : element,
  );
}

function fieldName({ value }: Element): string {
  return JSON.stringify((value as readonly unknown[])[0]);
}

function parseScore(bytes: Buffer, toFault: ToFault): string {
  const score = bytes.toString('latin1').toLowerCase().replace(/^\+/, '');
  if (!isScore(score)) throw toFault('a score is not a number, or ZADD has an option that is not supported');
  return score;
}

function parseTime(command: string, bytes: Buffer | undefined, from: number, toFault: ToFault): ExpiryTime {
  const text = bytes?.toString('latin1') ?? '';
  const [unit, relative] = EXPIRING[command] ?? [1, false];
  if (!/^\d{1,19}$/.test(text)) throw toFault('an expiry is not a time');
  const ms = BigInt(text) * BigInt(unit) + (relative ? BigInt(from) : 0n);
  if (ms > BigInt(MAX_KEY_EXPIRY)) throw toFault('an expiry is not a time');
  return ms <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ms) : String(ms);
}

/** `time FIELDS count field ...` */
function expireFields(open: OpenKey, [time, word, count, ...fields]: readonly Buffer[], toFault: ToFault): void {
  const isWhole =
    word?.toString('latin1').toUpperCase() === 'FIELDS' && Number(count?.toString('latin1')) === fields.length;
  if (!isWhole || open.type !== 'hash') throw toFault('HPEXPIREAT has a form that is not supported');
  const expiry = parseTime('PEXPIREAT', time, 0, toFault);
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
 * The keys that may still get commands, least recently used first. A command for a closed key is refused: the lines of
 * that key are already written.
 */
class OpenKeys {
  private readonly open = new Map<string, OpenKey>();
  private readonly closed = hashSet();
  private bytes = 0;

  /** The open key; created when it is new. */
  findOrCreate(key: Buffer, type: RecordType, toFault: ToFault): OpenKey {
    const name = key.toString('latin1');
    const found = this.find(name, key, toFault) ?? newKey(key, type);
    if (found.type !== type) throw toFault(`a ${found.type} gets a command for a ${type}`);
    this.open.delete(name);
    this.open.set(name, found);
    return found;
  }

  /** A key that an earlier command created. */
  findKnown(key: Buffer, toFault: ToFault): OpenKey {
    const found = this.find(key.toString('latin1'), key, toFault);
    if (found !== undefined) return found;
    throw toFault('a command is for a key that no earlier command creates');
  }

  add(open: OpenKey, elements: readonly Element[]): void {
    for (const element of elements) {
      open.elements.push(element);
      open.bytes += element.bytes;
      this.bytes += element.bytes;
    }
  }

  remove(key: Buffer, toFault: ToFault): void {
    const name = key.toString('latin1');
    const found = this.find(name, key, toFault);
    if (found === undefined) return;
    this.bytes -= found.bytes - key.length;
    this.open.delete(name);
  }

  /** Closes the least recently used keys while there are too many. */
  *closeOldest(toFault: ToFault): Generator<Item> {
    for (const [name, oldest] of this.open) {
      if (this.open.size <= OPEN_KEYS && this.bytes <= OPEN_BYTES) return;
      if (this.open.size === 1) {
        if (oldest.bytes <= MAX_KEY_BYTES) return;
        throw toFault(
          `a key is larger than ${MAX_KEY_BYTES / 1024 / 1024} MiB, more than is read from commands`,
          'Take an RDB file of the database instead.',
        );
      }
      yield* this.close(name, oldest);
    }
  }

  *closeAll(): Generator<Item> {
    for (const [name, open] of this.open) yield* this.close(name, open);
  }

  private *close(name: string, open: OpenKey): Generator<Item> {
    this.open.delete(name);
    this.closed.add(open.key);
    this.bytes -= open.bytes - open.key.length;
    for (const line of toLines(open)) yield { line };
  }

  private find(name: string, key: Buffer, toFault: ToFault): OpenKey | undefined {
    const found = this.open.get(name);
    if (found === undefined && this.closed.hasHash(keyHash(key))) {
      throw toFault(
        'it is for a key whose other commands are far before it',
        'Write the dump over one connection: redis-dump-go and upstash-redis-dump do with `-n 1`.',
      );
    }
    return found;
  }
}

function toLines({ elements, expiry, key, type }: OpenKey): Iterable<RecordLine> {
  if (type !== 'json') return buildRecord({ key, type, expiry }, elements);
  const v = elements[0]?.value as Text;
  return [{ k: toText(key), t: 'json', ...(expiry === null ? {} : { x: expiry }), v }];
}
