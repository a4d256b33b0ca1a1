import { pMapIterable } from 'p-map';
import type { RedisPort } from '../ports/redis.js';
import { beginWalk, nameCounter, NEW_WALK, walkAgain } from '../redis/scan.js';
import { contentBuilder } from '../restore/compare/content.js';
import { readLive, stopIfAborted } from '../restore/compare/read-live.js';
import type { PagedKey } from '../snapshot/checkpoint.js';
import type { ReadOutcome, TypedKey } from '../snapshot/read/batch.js';
import { probeFieldExpiry } from '../snapshot/read/field-expiry.js';
import { pagedKey, readPage } from '../snapshot/read/paged.js';
import { isRecordType, type RecordLine, type RecordType } from '../snapshot/record.js';
import { recordOf } from '../snapshot/sent-value.js';
import { loadPage, scanPages, type LoadedPage, type ScanPage } from '../snapshot/scan/pages.js';
import { classifyKey, type Family } from '../soulcaster/keys.js';
import type { KeyMatcher } from '../soulcaster/selection.js';
import type { Side } from './diff.js';
import { entryFrom, PLAIN_RULE, type Entry } from './diff-table.js';
import { gatherFacts, mayHoldFacts, type KeyRecord } from './records.js';

/** Keys of one request, and requests in flight at a time. */
const PAGE = 250;
const PAGES_AT_A_TIME = 3;
/** Reads of a key that changes its type each time. */
const ATTEMPTS = 3;

/** Families whose values hold project facts; in others the names do. */
const FACTS_IN_VALUE: ReadonlySet<Family> = new Set<Family>(['job', 'project', 'user-projects']);

/** A live database as one side of a comparison. Reads only; throws what the port throws. */
export function liveSide(redis: RedisPort, signal: AbortSignal): Side {
  return {
    entries: (matches) => liveEntries(redis, matches, signal),
    // All names, and the few values that hold facts.
    facts: (projects) => gatherFacts(projects, factRecords(redis, new Set(projects), signal)),
  };
}

/** All pages of SCAN; a walk that may have missed keys is repeated. */
async function* wholeWalk(redis: RedisPort, signal: AbortSignal): AsyncGenerator<ScanPage> {
  let walk = await beginWalk(redis, NEW_WALK);
  for (;;) {
    const count = nameCounter(walk);
    let named = 0;
    for await (const page of scanPages(redis, '0', () => PAGE)) {
      stopIfAborted(signal);
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
  // The expiry of fields is read only from a server that has it.
  const rule = { ...PLAIN_RULE, fieldExpiry: fieldExpiry === 'read' };
  const load = async (page: ScanPage): Promise<LoadedPage> =>
    loadPage(redis, selectKeys(page, matches), rule.fieldExpiry);
  const pages = pMapIterable(wholeWalk(redis, signal), load, { concurrency: PAGES_AT_A_TIME });
  for await (const { keys, outcomes, unsupported } of pages) {
    for (const [at, typed] of keys.entries()) {
      const outcome = outcomes[at] ?? { kind: 'gone' };
      if (outcome.kind === 'line') yield lineEntry(typed.key, recordOf(outcome.line));
      else if (outcome.kind !== 'gone') yield* await readSingleKey(redis, typed, outcome, { rule, signal });
    }
    for (const { key, type } of unsupported) yield unreadableEntry(key, type);
  }
}

function lineEntry(key: Buffer, line: RecordLine): Entry {
  const content = contentBuilder(line, PLAIN_RULE).finish();
  return entryFrom(key, classifyKey(key.toString('utf8')), content, line, true);
}

function selectKeys(page: ScanPage, matches: KeyMatcher): ScanPage {
  const isSelected = ({ key }: { readonly key: Buffer }): boolean => matches(key) !== 'other';
  return { ...page, keys: page.keys.filter(isSelected), unsupported: page.unsupported.filter(isSelected) };
}

/** Reads a key that was not read with its page: too big for a reply, or of another type by now. Empty when it is gone. */
async function readSingleKey(
  redis: RedisPort,
  typed: TypedKey,
  outcome: ReadOutcome,
  options: Parameters<typeof readLive>[3],
): Promise<Entry[]> {
  const { key } = typed;
  let [wanted, read] = [typed, outcome];
  for (let attempt = 1; ; attempt++) {
    const found = await readLive(redis, wanted, read, options);
    if (found.kind === 'absent') return [];
    if (found.kind === 'content') {
      return [entryFrom(key, classifyKey(key.toString('utf8')), found.content, null, false)];
    }
    const type = found.kind === 'other-type' ? found.type : wanted.type;
    if (found.kind === 'too-large' || !isRecordType(type) || attempt === ATTEMPTS) return [unreadableEntry(key, type)];
    [wanted, read] = [{ key, type }, { kind: 'moved' }];
  }
}

function unreadableEntry(key: Buffer, type: string): Entry {
  const known = classifyKey(key.toString('utf8'));
  return { key, known, project: known.project, type, digest: null, line: null };
}

/** Records of the keys that show what belongs to projects; where the name alone shows it, no value is read. */
async function* factRecords(
  redis: RedisPort,
  projects: ReadonlySet<string>,
  signal: AbortSignal,
): AsyncGenerator<KeyRecord> {
  for await (const { keys, ...page } of wholeWalk(redis, signal)) {
    const withFacts = keys.flatMap((typed) => {
      const known = classifyKey(typed.key.toString('utf8'));
      return mayHoldFacts(known, projects) ? [{ ...typed, known }] : [];
    });
    const byValue = withFacts.filter(({ known }) => FACTS_IN_VALUE.has(known.family));
    for (const { key, known, type } of withFacts) {
      if (!FACTS_IN_VALUE.has(known.family)) yield { key, known, first: emptyLine(type), rest: null };
    }
    const { outcomes } = await loadPage(redis, { ...page, keys: byValue, unsupported: [] }, false);
    for (const [at, { key, known, type }] of byValue.entries()) {
      const outcome = outcomes[at];
      if (outcome?.kind === 'line') yield { key, known, first: recordOf(outcome.line), rest: null };
      // Only a user's list of projects can be that big.
      else if (outcome?.kind === 'big')
        yield { key, known, first: emptyLine(type), rest: readPages(redis, { key, type }) };
    }
  }
}

function emptyLine(type: RecordType): RecordLine {
  return { k: '', t: type, v: [] };
}

/** Includes lines that are taken back later: they were valid a moment ago, which is good enough for facts. */
async function* readPages(redis: RedisPort, { key, type }: TypedKey): AsyncGenerator<RecordLine> {
  for (let state: PagedKey | null = pagedKey(key, type); state !== null;) {
    const { line, next } = await readPage(redis, state, false);
    if (line !== null) yield line;
    state = next;
  }
}
