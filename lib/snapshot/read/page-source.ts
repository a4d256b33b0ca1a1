import type { RedisCommand, RedisReply, RedisValue } from '../../ports/redis.js';
import type { RecordType, RecordValue } from '../record.js';
import { sha256 } from '../manifest.js';
import { toText } from '../../soulcaster/text.js';
import { asArray, asBuffer, toValue } from '../sent-value.js';

/** A page of a big value, and the position of the next page (null: this was the last). */
export interface Page {
  readonly value: RecordValue;
  readonly next: string | null;
}

/** How the values of one type are read in pages. */
export interface PageSource {
  /** Elements (bytes, for a string) of the first page. */
  readonly pageSize: number;
  /** Whether positions are cursors, which become invalid when the server restarts. */
  readonly scans: boolean;
  page(key: Buffer, position: string | null, pageSize: number): RedisCommand;
  /** Commands whose replies change when the value does. */
  fingerprint(key: Buffer): readonly RedisCommand[];
  parse(reply: RedisValue, position: string | null, pageSize: number): Page;
}

const ELEMENTS = 1000;
const STRING_BYTES = 512 * 1024;

function scanSource(command: 'HSCAN' | 'SSCAN' | 'ZSCAN', size: string, type: RecordType): PageSource {
  return {
    pageSize: ELEMENTS,
    scans: true,
    page: (key, position, pageSize) => [command, key, position ?? '0', 'COUNT', pageSize],
    fingerprint: (key) => [[size, key]],
    parse(reply) {
      const [cursor, items] = asArray(reply);
      const next = asBuffer(cursor).toString('latin1');
      return { value: toValue(type, items ?? []), next: next === '0' ? null : next };
    },
  };
}

const list: PageSource = {
  pageSize: ELEMENTS,
  scans: false,
  page(key, position, pageSize) {
    const from = Number(position ?? 0);
    return ['LRANGE', key, from, from + pageSize - 1];
  },
  // A queue may change without changing its length; its ends show the change.
  fingerprint: (key) => [
    ['LLEN', key],
    ['LINDEX', key, 0],
    ['LINDEX', key, -1],
  ],
  parse(reply, position, pageSize) {
    const items = asArray(reply);
    const end = Number(position ?? 0) + items.length;
    return { value: toValue('list', items), next: items.length < pageSize ? null : String(end) };
  },
};

const string: PageSource = {
  pageSize: STRING_BYTES,
  scans: false,
  page(key, position, pageSize) {
    const from = Number(position ?? 0);
    return ['GETRANGE', key, from, from + pageSize - 1];
  },
  fingerprint: (key) => [['STRLEN', key]],
  parse(reply, position, pageSize) {
    const piece = asBuffer(reply);
    const end = Number(position ?? 0) + piece.length;
    return { value: toText(piece), next: piece.length < pageSize ? null : String(end) };
  },
};

const stream: PageSource = {
  pageSize: ELEMENTS,
  scans: false,
  page: (key, position, pageSize) => ['XRANGE', key, position === null ? '-' : `(${position}`, '+', 'COUNT', pageSize],
  fingerprint: (key) => [['XLEN', key]],
  parse(reply, _position, pageSize) {
    const entries = asArray(reply).map((entry) => {
      const [id, fields] = asArray(entry);
      return [asBuffer(id).toString('latin1'), asArray(fields).map((item) => toText(asBuffer(item)))] as const;
    });
    const last = entries.at(-1)?.[0] ?? null;
    return { value: { entries }, next: entries.length < pageSize ? null : last };
  },
};

/** Null for a type whose value can only be read whole. */
export function pageSource(type: RecordType): PageSource | null {
  switch (type) {
    case 'string':
      return string;
    case 'list':
      return list;
    case 'stream':
      return stream;
    case 'hash':
      return scanSource('HSCAN', 'HLEN', 'hash');
    case 'set':
      return scanSource('SSCAN', 'SCARD', 'set');
    case 'zset':
      return scanSource('ZSCAN', 'ZCARD', 'zset');
    case 'json':
      return null;
  }
}

/** A short hash of the replies of `PageSource.fingerprint`. It contains no value. */
export function fingerprintOf(replies: readonly RedisReply[]): string {
  const parts = replies.map((reply) => ('error' in reply ? reply.error : String(reply.value)));
  return sha256(JSON.stringify(parts)).slice(0, 16);
}
