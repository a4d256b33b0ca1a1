import { isAscii } from 'node:buffer';
import type { z } from 'zod';

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** JSON as stored: indented, with a final newline. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

/** Far deeper than anything this program writes, and far below the limit of recursive schema checks. */
const DEEPEST = 100;

/**
 * Throws `SyntaxError` for invalid JSON, and for JSON nested deeper than `DEEPEST`. ASCII is read as latin1, because decoding
 * a megabyte of numbers as UTF-8 takes as long as parsing it.
 */
export function decodeJson(body: Uint8Array): unknown {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isDeep(bytes)) throw new SyntaxError(`JSON that is nested deeper than ${DEEPEST} levels`);
  return JSON.parse(bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8'));
}

/** Stored JSON of a known form; null for other JSON, and for what is no JSON. */
export function parseStored<T>(schema: z.ZodType<T>, body: Uint8Array): T | null {
  try {
    return schema.parse(decodeJson(body));
  } catch {
    return null;
  }
}

/** Whether more than `DEEPEST` brackets are open at a time, not counting those in strings. */
function isDeep(bytes: Buffer): boolean {
  let [depth, at] = [0, 0];
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x22) at = endOfString(bytes, at);
    else if (byte === 0x7b || byte === 0x5b) depth += 1;
    else if (byte === 0x7d || byte === 0x5d) depth -= 1;
    if (depth > DEEPEST) return true;
  }
  return false;
}

/** The end of the string that begins at `from`; the end of the text if the string does not end. */
function endOfString(bytes: Buffer, from: number): number {
  for (let end = bytes.indexOf(0x22, from + 1); end >= 0; end = bytes.indexOf(0x22, end + 1)) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === 0x5c) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}
