import { pMapIterable } from 'p-map';
import { toAppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';
import type { RedisPort } from '../ports/redis.js';
import { beginWalk, nameCounter, NEW_WALK, walkAgain } from '../redis/whole-walk.js';
import { contentBuilder } from '../restore/compare/content.js';
import { readLive } from '../restore/compare/read-live.js';
import { clockAheadOf } from '../restore/target-clock.js';
import type { PagedKey } from '../snapshot/checkpoint.js';
import type { ReadOutcome, TypedKey } from '../snapshot/read/batch.js';
import { probeFieldExpiry } from '../snapshot/read/field-expiry.js';
import { pagedKey, readPage } from '../snapshot/read/paged.js';
import { isRecordType, type RecordLine, type RecordType } from '../snapshot/record.js';
import { recordOf } from '../snapshot/sent-value.js';
import { loadPage, scanPages, type LoadedPage, type ScanPage } from '../snapshot/scan/pages.js';
import { classifyKey, type Family } from '../soulcaster/keys.js';
import type { FactsByProject, KeyMatcher } from '../soulcaster/selection.js';
import { entryFrom, PLAIN_RULE, type Entry } from './entry.js';
import { gatherFacts, tellsFacts, type KeyRecord } from './records.js';

/** Keys of one request, and requests under way at a time. */
const PAGE = 250;
const PAGES_AT_A_TIME = 3;
/** A key that changes its type each time it is read. */
const ATTEMPTS = 3;

/** Families that tell facts by their values; others do by their names. */
const TELL_BY_VALUE: ReadonlySet<Family> = new Set<Family>(['job', 'project', 'user-projects']);

/** A live database as one side of a comparison. Reads only. */
interface LiveSide {
  /** The selected keys with what they hold; a key may come more than once. Throws what the port throws. */
  entries(matches: KeyMatcher): AsyncIterable<Entry>;
  /** What belongs to these projects, by a walk over the names and the few values that tell. */
  facts(projects: readonly string[]): Promise<FactsByProject>;
}

export function liveSide(redis: RedisPort, signal: AbortSignal): LiveSide {
  return {
    entries: (matches) => liveEntries(redis, matches, signal),
    facts: (projects) => gatherFacts(projects, tellingRecords(redis, new Set(projects), signal)),
  };
}

/** What time it is by the database's own clock, in milliseconds since the epoch: expiry goes by that. */
export async function clockOf(redis: RedisPort, clock: Pick<Clock, 'now'>): Promise<() => number> {
  const aheadMs = await clockAheadOf(redis, clock);
  return () => clock.now() + aheadMs;
}

/** All pages of SCAN, and once more those of a walk that may have passed keys over. */
async function* wholeWalk(redis: RedisPort, signal: AbortSignal): AsyncGenerator<ScanPage> {
  let walk = await beginWalk(redis, NEW_WALK);
  for (;;) {
    const count = nameCounter(walk);
    let named = 0;
    for await (const page of scanPages(redis, '0', () => PAGE)) {
      if (signal.aborted) throw toAppError(signal.reason);
      yield page;
      named += count([...page.keys, ...page.unsupported].map(({ key }) => key));
    }
    const again = await walkAgain(redis, walk, named);
    if (again === null) return;
    walk = again;
  }
}

async function* liveEntries(redis: RedisPort, matches: KeyMatcher, signal: AbortSignal): AsyncGenerator<Entry> {
  const { fieldExpiry } = await probeFieldExpiry(redis);
  // A server that does not know them is not asked for the expiry of fields.
  const rule = { ...PLAIN_RULE, fieldExpiry: fieldExpiry === 'read' };
  const load = async (page: ScanPage): Promise<LoadedPage> =>
    loadPage(redis, selected(page, matches), rule.fieldExpiry);
  const pages = pMapIterable(wholeWalk(redis, signal), load, { concurrency: PAGES_AT_A_TIME });
  for await (const { keys, outcomes, unsupported } of pages) {
    for (const [at, typed] of keys.entries()) {
      const outcome = outcomes[at] ?? { kind: 'gone' };
      if (outcome.kind === 'line') yield lineEntry(typed.key, recordOf(outcome.line));
      else if (outcome.kind !== 'gone') yield* await followed(redis, typed, outcome, { rule, signal });
    }
    for (const { key, type } of unsupported) yield unreadable(key, type);
  }
}

function lineEntry(key: Buffer, line: RecordLine): Entry {
  const content = contentBuilder(line, PLAIN_RULE).finish();
  return entryFrom(key, classifyKey(key.toString('utf8')), content, line, true);
}

function selected(page: ScanPage, matches: KeyMatcher): ScanPage {
  const isSelected = ({ key }: { readonly key: Buffer }): boolean => matches(key) !== 'other';
  return { ...page, keys: page.keys.filter(isSelected), unsupported: page.unsupported.filter(isSelected) };
}

/** What becomes of a key that is not read with others: too big for a reply, or of another type by now. None when it is gone. */
async function followed(
  redis: RedisPort,
  typed: TypedKey,
  outcome: ReadOutcome,
  options: Parameters<typeof readLive>[3],
): Promise<Entry[]> {
  const { key } = typed;
  let [wanted, read] = [typed, outcome];
  for (let attempt = 1; ; attempt++) {
    const standing = await readLive(redis, wanted, read, options);
    if (standing.kind === 'absent') return [];
    if (standing.kind === 'content') {
      return [entryFrom(key, classifyKey(key.toString('utf8')), standing.content, null, false)];
    }
    const type = standing.kind === 'other-type' ? standing.type : wanted.type;
    if (standing.kind === 'too-large' || !isRecordType(type) || attempt === ATTEMPTS) return [unreadable(key, type)];
    [wanted, read] = [{ key, type }, { kind: 'moved' }];
  }
}

function unreadable(key: Buffer, type: string): Entry {
  const known = classifyKey(key.toString('utf8'));
  return { key, known, project: known.project, type, digest: null, line: null };
}

/** Records of the keys that tell what belongs to projects; of those that tell it by their names, no value is read. */
async function* tellingRecords(
  redis: RedisPort,
  projects: ReadonlySet<string>,
  signal: AbortSignal,
): AsyncGenerator<KeyRecord> {
  for await (const { keys, ...page } of wholeWalk(redis, signal)) {
    const telling = keys.flatMap((typed) => {
      const known = classifyKey(typed.key.toString('utf8'));
      return tellsFacts(known, projects) ? [{ ...typed, known }] : [];
    });
    const byValue = telling.filter(({ known }) => TELL_BY_VALUE.has(known.family));
    for (const { key, known, type } of telling) {
      if (!TELL_BY_VALUE.has(known.family)) yield { key, known, first: nothing(type), rest: null };
    }
    const { outcomes } = await loadPage(redis, { ...page, keys: byValue, unsupported: [] }, false);
    for (const [at, { key, known, type }] of byValue.entries()) {
      const outcome = outcomes[at];
      if (outcome?.kind === 'line') yield { key, known, first: recordOf(outcome.line), rest: null };
      // At most a user's list of projects.
      else if (outcome?.kind === 'big') yield { key, known, first: nothing(type), rest: pagesOf(redis, { key, type }) };
    }
  }
}

function nothing(type: RecordType): RecordLine {
  return { k: '', t: type, v: [] };
}

/** What is taken back was there a moment ago: for facts that will do. */
async function* pagesOf(redis: RedisPort, { key, type }: TypedKey): AsyncGenerator<RecordLine> {
  for (let state: PagedKey | null = pagedKey(key, type); state !== null;) {
    const { line, next } = await readPage(redis, state, false);
    if (line !== null) yield line;
    state = next;
  }
}
