import { isNativeError } from 'node:util/types';

/**
 * A reply as ioredis hands it over with `stringNumbers` and no reply encoding: bulk and status strings are Buffers,
 * integers are JavaScript strings of digits (so that 64 bits survive), nil is null.
 */
export type RawReply = Buffer | string | null | RawReply[] | Error;

/** How strings go into the JSON: as UTF-8 text (what is invalid becomes U+FFFD), or as base64 of their bytes. */
export type Encoding = 'text' | 'base64';

/** Status replies are "OK" from these commands; from any other, the two letters are somebody's data. */
const STATUS_OK = new Set(
  [
    'SET SETEX PSETEX MSET HMSET LSET LTRIM RENAME RESTORE XGROUP PFMERGE FLUSHDB FLUSHALL SCRIPT FUNCTION SELECT',
    'JSON.SET JSON.MSET EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO',
  ]
    .join(' ')
    .split(' '),
);

/** The JSON of one reply: `{"result":...}`, or `{"error":"..."}` for a failed command. `name` is in capitals. */
export function encodeReply(reply: RawReply, name: string, encoding: Encoding): string {
  if (isNativeError(reply)) return encodeError(reply.message);
  const bare = Buffer.isBuffer(reply) && isOk(reply) && STATUS_OK.has(name);
  return `{"result":${bare ? '"OK"' : encodeValue(reply, encoding)}}`;
}

export function encodeError(message: string): string {
  return `{"error":${JSON.stringify(message)}}`;
}

/** Bytes of a reply's strings, which is about what it takes on the wire. */
export function sizeOf(reply: RawReply): number {
  if (Buffer.isBuffer(reply)) return reply.length;
  if (!Array.isArray(reply)) return 0;
  let bytes = 0;
  for (const item of reply) bytes += sizeOf(item);
  return bytes;
}

function encodeValue(value: RawReply, encoding: Encoding): string {
  if (Buffer.isBuffer(value)) {
    // Base64 needs no escaping: this is the hot path of a backup.
    return encoding === 'base64' ? `"${value.toString('base64')}"` : JSON.stringify(value.toString('utf8'));
  }
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (isNativeError(value)) return encoding === 'base64' ? base64(value.message) : JSON.stringify(value.message);
  let json = '[';
  for (const [index, item] of value.entries()) json += (index === 0 ? '' : ',') + encodeValue(item, encoding);
  return `${json}]`;
}

function base64(text: string): string {
  return `"${Buffer.from(text).toString('base64')}"`;
}

function isOk(value: Buffer): boolean {
  return value.length === 2 && value[0] === 0x4f && value[1] === 0x4b;
}
