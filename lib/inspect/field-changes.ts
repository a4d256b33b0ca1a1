import type { RecordLine, StreamValue } from '../snapshot/record.js';
import type { Text } from '../soulcaster/text.js';

/** The change of one element of a value. */
export interface FieldChange {
  /** The field, the member, the place in a list from 0, or the id in a stream; null for a whole string or document. */
  readonly field: Text | null;
  /** The value, of a set the member, of a sorted set the score; null where the element is absent. */
  readonly before: Text | null;
  readonly after: Text | null;
}

interface FieldChanges {
  /** The first changes, with long texts cut. */
  readonly changes: readonly FieldChange[];
  /** How many more there are. */
  readonly more: number;
}

const MAX_CHANGES = 100;
const MAX_TEXT = 2_000;

type Elements = Map<string, { readonly field: Text | null; readonly value: Text }>;

/** The elements that differ between two single-line records; null when their types differ. */
export function fieldChanges(before: RecordLine, after: RecordLine): FieldChanges | null {
  if (before.t !== after.t) return null;
  const [old, now] = [elementsOf(before), elementsOf(after)];
  const changes: FieldChange[] = [];
  for (const [name, { field, value }] of old) {
    const other = now.get(name)?.value ?? null;
    if (!sameText(value, other)) changes.push(change(field, value, other));
  }
  for (const [name, { field, value }] of now) if (!old.has(name)) changes.push(change(field, null, value));
  return { changes: changes.slice(0, MAX_CHANGES), more: Math.max(0, changes.length - MAX_CHANGES) };
}

function elementsOf({ t, v }: RecordLine): Elements {
  const elements: Elements = new Map();
  const add = (field: Text | null, value: Text): void => void elements.set(nameOf(field), { field, value });
  if (t === 'string' || t === 'json') add(null, v as Text);
  else if (t === 'hash') for (const [field, value] of v as readonly (readonly [Text, Text])[]) add(field, value);
  else if (t === 'zset') for (const [member, score] of v as readonly (readonly [Text, string])[]) add(member, score);
  else if (t === 'set') for (const member of v as readonly Text[]) add(member, member);
  else if (t === 'list') for (const [at, item] of (v as readonly Text[]).entries()) add(String(at), item);
  else for (const [id, fields] of (v as StreamValue).entries) add(id, JSON.stringify(fields));
  return elements;
}

function nameOf(field: Text | null): string {
  return field === null || typeof field === 'string' ? `s${field ?? ''}` : `b${field.b}`;
}

function sameText(a: Text, b: Text | null): boolean {
  return typeof a === 'string' || b === null || typeof b === 'string' ? a === b : a.b === b.b;
}

function change(field: Text | null, before: Text | null, after: Text | null): FieldChange {
  return {
    field: field === null ? null : cut(field),
    before: before === null ? null : cut(before),
    after: after === null ? null : cut(after),
  };
}

/** Base64 is cut after a multiple of four characters. */
function cut(text: Text): Text {
  if (typeof text !== 'string') return { b: text.b.slice(0, MAX_TEXT) };
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}
