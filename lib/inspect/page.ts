import { AppError } from '../errors.js';
import type { KeyMatcher } from '../soulcaster/selection.js';
import { describeKey, type ListedKey } from './list.js';
import type { OpenSnapshot } from './open.js';
import { recordsOf, type Chosen, type KeyRecord } from './records.js';

export interface KeyPage {
  readonly keys: readonly ListedKey[];
  /** Where the next page begins; null when there are no more keys. A page may be short, or empty, and have one. */
  readonly next: string | null;
}

interface PageOptions {
  readonly limit: number;
  /** `next` of the page before; null for the first. */
  readonly after: string | null;
  /** Asked between records: whether the page ends here though it is not full. */
  readonly timeIsUp: () => boolean;
}

const CURSOR = /^(\d{1,6})\.(\d{1,9})$/;
/** A look at the clock for this many records. */
const RECORDS_PER_TURN = 256;
/** A page is full with this many bytes of names as well. */
const NAME_BYTES = 1024 * 1024;

/** A page of the chosen keys, in the order in which they are stored. Throws `invalid` for an `after` that no page gave. */
export async function pageOfKeys(
  snapshot: OpenSnapshot,
  { matches, parts }: Chosen,
  { after, limit, timeIsUp }: PageOptions,
): Promise<KeyPage> {
  const from = placeOf(after);
  const keys: ListedKey[] = [];
  let named = 0;
  for (const part of parts) {
    if (part < from.part) continue;
    let at = 0;
    for await (const record of recordsOf(snapshot, [part])) {
      at += 1;
      if (part === from.part && at <= from.at) continue;
      if (isMeant(matches, record)) {
        keys.push(await describeKey(record));
        named += record.key.length;
      }
      if (keys.length === limit || named >= NAME_BYTES || (at % RECORDS_PER_TURN === 0 && timeIsUp()))
        return { keys, next: `${part}.${at}` };
    }
    if (timeIsUp()) return { keys, next: `${part}.${at}` };
  }
  return { keys, next: null };
}

function isMeant(matches: KeyMatcher, { key, known }: KeyRecord): boolean {
  return matches(key, known) !== 'other';
}

function placeOf(after: string | null): { readonly part: number; readonly at: number } {
  if (after === null) return { part: 0, at: 0 };
  const [, part, at] = CURSOR.exec(after) ?? [];
  if (part !== undefined && at !== undefined) return { part: Number(part), at: Number(at) };
  throw new AppError('invalid', 'The place to continue from is none that was given', {
    hint: 'Give after as `next` of the page before, or leave it out for the first page.',
  });
}
