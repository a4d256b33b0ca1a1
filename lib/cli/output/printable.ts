/**
 * What a terminal would obey rather than show: control characters but for tab and line end (C0, DEL, C1 with its
 * one-character CSI U+009B), marks and overrides of writing direction, and Unicode's own line ends.
 */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

/** A text as it may go to a terminal: texts from the store, or from a service, may hold anything. */
export function printable(text: string): string {
  return text.replaceAll(CONTROLS, escaped);
}

/** JSON text as it may go to a terminal; what it means stays the same. */
export function printableJson(value: unknown): string {
  // Outside its strings JSON has none of these, and within them this is how it writes any character.
  return JSON.stringify(value, null, 2).replaceAll(CONTROLS, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
