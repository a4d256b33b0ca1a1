import { matchesGlob } from '../soulcaster/glob.js';
import { classifyKey } from '../soulcaster/keys.js';
import type { LineObserver } from '../snapshot/check-part.js';
import { keyOf, startsRecord } from '../snapshot/record.js';
import {
  factReader,
  joined,
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
  /** Projects to lock and to inspect: those that are restored, or whose keys are. */
  readonly projects: readonly string[];
  /** Projects of which keys are restored that go into vectors; `''` for keys from before there were projects. */
  readonly vectors: readonly string[];
  readonly found: Found;
  /** What the part holds of a record that an earlier one began, if that may tie anything to a project. */
  readonly head: Piece | null;
  /** The same of a record that begins in the part and continues in the next. */
  readonly tail: Piece | null;
};

/** Which entries of the scope the snapshot holds, by their numbers. A type, not an interface: it is stored as JSON. */
export type Found = { readonly keys: readonly number[]; readonly matches: readonly number[] };

interface ScopeObserver {
  readonly see: LineObserver;
  findings(): ScopeFindings;
}

/** Gathers from the lines of a part what decides which keys belong to the scope. `without`: first lines passed over. */
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
    see(line, number) {
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
  // At a part's beginning, and until a record begins in it, lines are an earlier part's record's.
  let isHead = true;
  let isPassedOver = false;

  return {
    see(line, number) {
      if (startsRecord(line)) {
        [open, isHead, isPassedOver] = [null, false, without.has(number)];
      }
      if (isPassedOver) return;
      const bytes = keyOf(line);
      const key = classifyKey(bytes.toString('utf8'));
      if (!isHead && startsRecord(line) && isPossible(bytes, key) !== 'other') {
        touched = true;
        entries.see(bytes);
        if (key.project !== null) projects.add(key.project);
        if (isInVectors(key)) vectors.add(key.project ?? '');
      }
      open = joined(open, reader.pieceOf(key, line));
      if (isHead) head = open;
      else if (open.isEnd) facts.push(...reader.factsIn(open));
    },
    findings: () => ({
      touched,
      facts: mergeStored(facts),
      projects: [...projects],
      vectors: [...vectors],
      found: entries.found(),
      head: reader.telling(head),
      tail: isHead || open === null || open.isEnd ? null : reader.telling(open),
    }),
  };
}

/** Notes which of the keys and patterns that the scope names there are. */
function entryFinder(scope: Scope): { readonly see: (key: Buffer) => void; readonly found: () => Found } {
  const numbers = new Map(namedKeys(scope).map((key, at) => [key.toString('latin1'), at]));
  const patterns = selectionOf(scope).matches.map((pattern) => Buffer.from(pattern));
  const [keys, matches] = [new Set<number>(), new Set<number>()];
  return {
    see(key) {
      const number = numbers.size === 0 ? undefined : numbers.get(key.toString('latin1'));
      if (number !== undefined) keys.add(number);
      for (const [at, pattern] of patterns.entries())
        if (!matches.has(at) && matchesGlob(pattern, key)) matches.add(at);
    },
    found: () => ({ keys: [...keys], matches: [...matches] }),
  };
}

/** Puts records together that go on from part to part. Those whose beginning is passed over have no tail to begin with. */
function* factsAcross(reader: FactReader, findings: readonly ScopeFindings[]): Generator<StoredFacts> {
  let open: Piece | null = null;
  for (const { head, tail } of findings) {
    open = open === null || head === null ? null : joined(open, head);
    if (open?.isEnd === true) yield reader.factsIn(open);
    if (open?.isEnd === true || tail !== null) open = tail;
  }
}

/** What all parts together hold; `findings` are those of every part, in order. */
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
