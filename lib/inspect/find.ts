import { StringDecoder } from 'node:string_decoder';
import type { RecordLine, StreamValue } from '../snapshot/record.js';
import { fromText, type Text } from '../soulcaster/text.js';
import type { Family } from '../soulcaster/keys.js';
import { parseSelection, type Selection, type SelectionInput } from '../soulcaster/selection.js';
import type { OpenSnapshot } from './open.js';
import { selectedRecords, type KeyRecord } from './records.js';

/** A search for the keys of a selection and, where a text is given, for those of them that contain the text. */
export interface Query {
  readonly selection: Selection;
  /** Searched in the key's name and value without regard to case; null: every selected key is found. */
  readonly text: string | null;
}

export interface FoundKey {
  readonly key: Text;
  readonly family: Family;
  readonly project: string | null;
  /** The title of an item or cluster, the name of a project; null for other keys. */
  readonly title: string | null;
  /** Where the text is: `key`, the name of a field, or `value`; null when the query has no text. */
  readonly where: Text | null;
  /** The text with its surroundings; null when the query has no text. */
  readonly excerpt: string | null;
}

/** Characters of an excerpt before and after the text. */
const MARGIN = 40;

const PATTERN = /[*?[\\]/;

/** The selection of `--key`: a pattern where it has a wildcard, else one key, which the index finds. */
export function selectKey(glob: string, others: Pick<SelectionInput, 'family' | 'project'>): Selection {
  return parseSelection({ ...others, ...(PATTERN.test(glob) ? { match: [glob] } : { key: [glob] }) });
}

/** Every key of a snapshot that matches the query, in stored order. */
export async function* findKeys(snapshot: OpenSnapshot, { selection, text }: Query): AsyncGenerator<FoundKey> {
  const wanted = text?.toLowerCase() ?? null;
  for await (const record of selectedRecords(snapshot, selection)) {
    const hit = wanted === null ? { where: null, excerpt: null } : await hitIn(record, wanted);
    if (hit === null) continue;
    const { first, known } = record;
    const title = titleOf(known.family, first);
    yield { key: first.k, family: known.family, project: known.project, title, ...hit };
  }
}

interface Hit {
  readonly where: Text | null;
  readonly excerpt: string | null;
}

async function hitIn({ key, first, rest }: KeyRecord, wanted: string): Promise<Hit | null> {
  const inName = excerptOf(key.toString('utf8'), wanted);
  if (inName !== null) return { where: 'key', excerpt: inName };
  if (first.t === 'string') return hitInString(first, rest, wanted);
  const inFirst = hitInLine(first, wanted);
  if (inFirst !== null) return inFirst;
  for await (const line of rest ?? []) {
    const hit = hitInLine(line, wanted);
    if (hit !== null) return hit;
  }
  return null;
}

/** Searches across the pieces of a long string, which may be cut within the text or within a character. */
async function hitInString(first: RecordLine, rest: KeyRecord['rest'], wanted: string): Promise<Hit | null> {
  const decoder = new StringDecoder('utf8');
  let before = '';
  const hitNext = ({ v }: RecordLine): Hit | null => {
    const text = before + decoder.write(fromText(v as Text));
    const excerpt = excerptOf(text, wanted);
    before = text.slice(-(wanted.length + MARGIN));
    return excerpt === null ? null : { where: 'value', excerpt };
  };
  const inFirst = hitNext(first);
  if (inFirst !== null) return inFirst;
  for await (const line of rest ?? []) {
    const hit = hitNext(line);
    if (hit !== null) return hit;
  }
  return null;
}

function hitInLine(line: RecordLine, wanted: string): Hit | null {
  for (const [where, text] of placesOf(line)) {
    // Bytes that are not UTF-8 as a whole may contain text.
    const excerpt = excerptOf(typeof text === 'string' ? text : fromText(text).toString('utf8'), wanted);
    if (excerpt !== null) return { where, excerpt };
  }
  return null;
}

function* placesOf({ t, v }: RecordLine): Generator<readonly [where: Text, text: Text]> {
  if (t === 'hash') {
    for (const [field, value] of v as readonly (readonly [Text, Text])[]) {
      yield [field, value];
      yield [field, field];
    }
  } else if (t === 'zset') {
    for (const [member] of v as readonly (readonly [Text, string])[]) yield ['value', member];
  } else if (t === 'stream') {
    for (const [, fields] of (v as StreamValue).entries) for (const text of fields) yield ['value', text];
  } else if (t === 'json') {
    yield ['value', v as Text];
  } else {
    for (const text of v as readonly Text[]) yield ['value', text];
  }
}

/** Null when `wanted` is not in the text. */
function excerptOf(text: string, wanted: string): string | null {
  const lower = text.toLowerCase();
  const at = lower.indexOf(wanted);
  if (at < 0) return null;
  // Lower case may have another length than the original: then the place is approximate.
  const [from, to] = [Math.max(0, at - MARGIN), at + wanted.length + MARGIN];
  return `${from > 0 ? '...' : ''}${text.slice(from, to)}${to < text.length ? '...' : ''}`;
}

const TITLES: Partial<Record<Family, string>> = { feedback: 'title', cluster: 'title', project: 'name' };

function titleOf(family: Family, { t, v }: RecordLine): string | null {
  const field = TITLES[family];
  if (t !== 'hash' || field === undefined) return null;
  const value = (v as readonly (readonly [Text, Text])[]).find(([name]) => name === field)?.[1];
  return typeof value === 'string' ? value.slice(0, 2 * MARGIN) : null;
}
