import { isUtf8 } from 'node:buffer';

/** Bytes in JSON: a string when they are valid UTF-8, else base64 in `b`. */
export type Text = string | { readonly b: string };

export function toText(bytes: Buffer): Text {
  return isUtf8(bytes) ? bytes.toString('utf8') : { b: bytes.toString('base64') };
}

export function fromText(text: Text): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(text.b, 'base64');
}
