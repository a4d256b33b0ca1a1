import { matchesGlob } from '../soulcaster/glob.js';
import { classifyKey } from '../soulcaster/keys.js';
import type { LineObserver } from '../snapshot/check-part.js';
import { keyOf, startsRecord } from '../snapshot/record.js';
import {
  factReader,
  joinPieces,
  mergeStored,
  type FactReader,
  type Piece,
  type ScopeOptions,
  type StoredFacts,
} from './facts.js';
import type { Scope } from './model.js';
import { isInVectors, namedKeys, possibleMatcher, projectsOf, selectionOf } from './selected.js';

/** What one part of a snapshot holds of the scope. A type, not an interface: it is stored as JSON. */
export type ScopeFindings = {
  /** Whether the part may hold any key of the scope. */
  readonly touched: boolean;
  readonly facts: StoredFacts;
  /** Projects to lock and to inspect: restored projects, and projects of restored keys. */
  readonly projects: readonly string[];
  /** Projects with restored keys that go into vectors; `''` for keys from before there were projects. */
  readonly vectors: readonly string[];
  readonly found: Found;
  /** The beginning of the part, if it continues a record of an earlier part that may hold facts. */
  readonly head: Piece | null;
  /** The end of the part, if its last record continues in the next part and may hold facts. */
  readonly tail: Piece | null;
};

/** Which entries of the scope the snapshot holds, by their numbers. A type, not an interface: it is stored as JSON. */
export type Found = { readonly keys: readonly number[]; readonly matches: readonly number[] };

interface ScopeObserver {
  readonly observe: LineObserver;
  findings(): ScopeFindings;
}

/** Collects the facts in a part that tie keys to the scope. `without`: first lines of records to skip. */
export function scopeObserver(
  scope: Scope,
  without: ReadonlySet<number>,
  options: ScopeOptions = { usersByListAlone: false },
): ScopeObserver {
  return 'all' in scope ? everythingObserver(without) : selectionObserver(scope, without, options);
}

function everythingObserver(without: ReadonlySet<number>): ScopeObserver {
  const projects = new Set<string>();
  return {
    observe(line, number) {
      if (!startsRecord(line) || without.has(number)) return;
      const key = classifyKey(keyOf(line).toString('utf8'));
      if (key.family === 'project' && key.project !== null) projects.add(key.project);
    },
    findings: () => ({ ...NOTHING, touched: true, projects: [...projects] }),
  };
}

const NOTHING: ScopeFindings = {
  touched: false,
  facts: [],
  projects: [],
  vectors: [],
  found: { keys: [], matches: [] },
  head: null,
  tail: null,
};

function selectionObserver(scope: Scope, without: ReadonlySet<number>, options: ScopeOptions): ScopeObserver {
  const reader = factReader(scope, options);
  const isPossible = possibleMatcher(scope);
  const entries = entryFinder(scope);
  const [facts, projects, vectors]: [StoredFacts, Set<string>, Set<string>] = [[], new Set(), new Set()];
  let touched = false;
  let head: Piece | null = null;
  let open: Piece | null = null;
  // Until a record begins in the part, lines belong to a record of an earlier part.
  let isHead = true;
  let isSkipped = false;

  return {
    observe(line, number) {
      if (startsRecord(line)) {
        [open, isHead, isSkipped] = [null, false, without.has(number)];
      }
      if (isSkipped) return;
      const bytes = keyOf(line);
      const key = classifyKey(bytes.toString('utf8'));
      if (!isHead && startsRecord(line) && isPossible(bytes, key) !== 'other') {
        touched = true;
        entries.add(bytes);
        if (key.project !== null) projects.add(key.project);
        if (isInVectors(key)) vectors.add(key.project ?? '');
      }
      open = joinPieces(open, reader.pieceOf(key, line));
      if (isHead) head = open;
      else if (open.isEnd) facts.push(...reader.factsIn(open));
    },
    findings: () => ({
      touched,
      facts: mergeStored(facts),
      projects: [...projects],
      vectors: [...vectors],
      found: entries.found(),
      head: reader.withFacts(head),
      tail: isHead || open === null || open.isEnd ? null : reader.withFacts(open),
    }),
  };
}

/** Records which keys and patterns of the scope the snapshot holds. */
function entryFinder(scope: Scope): { readonly add: (key: Buffer) => void; readonly found: () => Found } {
  const numbers = new Map(namedKeys(scope).map((key, at) => [key.toString('latin1'), at]));
  const patterns = selectionOf(scope).matches.map((pattern) => Buffer.from(pattern));
  const [keys, matches] = [new Set<number>(), new Set<number>()];
  return {
    add(key) {
      const number = numbers.size === 0 ? undefined : numbers.get(key.toString('latin1'));
      if (number !== undefined) keys.add(number);
      for (const [at, pattern] of patterns.entries())
        if (!matches.has(at) && matchesGlob(pattern, key)) matches.add(at);
    },
    found: () => ({ keys: [...keys], matches: [...matches] }),
  };
}

/** Joins records that continue across parts. A record whose beginning was skipped has no tail to start from. */
function* factsAcross(reader: FactReader, findings: readonly ScopeFindings[]): Generator<StoredFacts> {
  let open: Piece | null = null;
  for (const { head, tail } of findings) {
    open = open === null || head === null ? null : joinPieces(open, head);
    if (open?.isEnd === true) yield reader.factsIn(open);
    if (open?.isEnd === true || tail !== null) open = tail;
  }
}

/** Merges the findings of all parts, which are in order. */
export function mergeFindings(
  scope: Scope,
  findings: readonly ScopeFindings[],
  options: ScopeOptions = { usersByListAlone: false },
): Pick<ScopeFindings, 'facts' | 'found'> & { projects: string[]; vectors: string[] } {
  const named = projectsOf(scope);
  const across = 'all' in scope ? [] : [...factsAcross(factReader(scope, options), findings)];
  const all = <T>(of: (found: ScopeFindings) => readonly T[]): T[] => [...new Set(findings.flatMap(of))].sort();
  return {
    facts: mergeStored([...findings.flatMap(({ facts }) => facts), ...across.flat()]),
    projects: named.length > 0 ? [...named].sort() : all(({ projects }) => projects),
    vectors: all(({ vectors }) => vectors),
    found: { keys: all(({ found }) => found.keys), matches: all(({ found }) => found.matches) },
  };
}
