import { isUtf8 } from 'node:buffer';

/** A name or a value in a record: text, or base64 of bytes that are not UTF-8. */
export type Text = string | { readonly b: string };

export function toText(bytes: Buffer): Text {
  return isUtf8(bytes) ? bytes.toString('utf8') : { b: bytes.toString('base64') };
}

export function fromText(text: Text): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(text.b, 'base64');
}

/** Fields of a hash, in order. */
export type Fields = readonly (readonly [field: Text, value: Text])[];

/** The value of a field; null if the field is missing or not text. */
export function fieldOf(fields: Fields, name: string): string | null {
  const value = fields.find(([field]) => field === name)?.[1];
  return typeof value === 'string' ? value : null;
}
