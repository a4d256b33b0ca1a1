import { isNativeError } from 'node:util/types';

/**
 * A reply of ioredis with `stringNumbers` and no reply encoding: bulk and status strings are Buffers, integers are strings of
 * digits (to keep 64 bits), nil is null.
 */
export type RawReply = Buffer | string | null | RawReply[] | Error;

/** Encoding of strings in the JSON: UTF-8 text (invalid bytes become U+FFFD), or base64. */
export type Encoding = 'text' | 'base64';

/** Commands with the status reply "OK"; from any other command, the two letters are data. */
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

/** Bytes of a reply's strings, about its size on the wire. */
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
