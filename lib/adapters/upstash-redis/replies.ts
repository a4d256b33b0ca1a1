import type { RedisValue } from '../../ports/redis.js';

/** The body is not what the protocol prescribes. Carries no part of the body: it may hold values. */
export class ProtocolError extends Error {}

/** One element of a batch's answer, with its value decoded, or Redis's error text as it came. */
export type Item = { readonly value: RedisValue } | { readonly error: string };

/** Either the answers to the commands, or the error that the request as a whole met. */
export type Body = { readonly items: Item[] } | { readonly error: string };

/** A number that JSON.parse would round: a long integer or a fraction. Base64 cannot match: it has none of `[:,`. */
const INEXACT = /[[:,]\s*-?(?:\d{16}|\d+[.eE])/;
const STRING_OR_INEXACT = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
/** Not in base64's alphabet: tells a number that was kept as text from a string. */
const MARK = '#';

/** Parses an answer with base64 strings, without losing a byte of a string or a digit of a number. */
export function parseBody(body: Buffer): Body {
  const parsed = parseJson(body);
  if (Array.isArray(parsed)) return { items: parsed.map(toItem) };
  if (isRecord(parsed) && typeof parsed['error'] === 'string') return { error: parsed['error'] };
  throw new ProtocolError('neither a list of results nor an error');
}

function parseJson(body: Buffer): unknown {
  const latin1 = body.toString('latin1');
  // Base64 is ASCII; only an error text can be more, and only then the slower UTF-8 decoding is needed.
  let text = latin1.includes('"error"') ? body.toString('utf8') : latin1;
  if (INEXACT.test(text)) text = text.replace(STRING_OR_INEXACT, keepDigits);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The cause is dropped on purpose: V8's message quotes the text.
    throw new ProtocolError('no JSON');
  }
}

function keepDigits(token: string): string {
  if (token.startsWith('"')) return token;
  if (/^-?\d+$/.test(token) && Number.isSafeInteger(Number(token))) return token;
  return `"${MARK}${token}"`;
}

function toItem(item: unknown): Item {
  if (!isRecord(item)) throw new ProtocolError('an element that is no object');
  if (typeof item['error'] === 'string') return { error: item['error'] };
  if (item['result'] === undefined) throw new ProtocolError('an element without a result');
  return { value: toValue(item['result']) };
}

function toValue(value: unknown): RedisValue {
  if (typeof value === 'string') return toBytes(value);
  if (typeof value === 'number' || value === null) return value;
  if (Array.isArray(value)) return value.map(toValue);
  throw new ProtocolError('a value of an unknown type');
}

const OK = Buffer.from('OK');

function toBytes(text: string): Buffer {
  if (text === 'OK') return Buffer.from(OK);
  if (text.startsWith(MARK)) return Buffer.from(text.slice(1));
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64 without a word; a server that ignored our header must not pass for data.
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (bytes.length !== ((text.length - padding) * 3) >>> 2) throw new ProtocolError('a string that is no base64');
  return bytes;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
