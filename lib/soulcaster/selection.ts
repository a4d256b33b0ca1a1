import { isUtf8 } from 'node:buffer';
import { AppError } from '../errors.js';
import { type ClassifiedKey, classifyKey, FAMILIES, type Family } from './keys.js';
import { type Belonging, belongingOf, type ProjectFacts } from './project-scope.js';
import type { Text } from './text.js';

/**
 * The selection of keys of ls, find, diff, export and restore: a key is selected if, for every list that is not empty, it
 * matches at least one entry. A type, not an interface: it is stored as JSON.
 */
export type Selection = {
  /** Whole ids. Keys that belong to a project without naming it (jobs, logs, a cluster's jobs, users' lists) are found by facts. */
  readonly projects: readonly string[];
  readonly families: readonly Family[];
  /** Redis patterns for the whole key; see `matchesGlob`. */
  readonly matches: readonly string[];
  readonly keys: readonly Text[];
};

/** A selection as given on the command line or in a request. A key that is not UTF-8 is `base64:` and its bytes in base64. */
export interface SelectionInput {
  readonly project?: readonly string[] | undefined;
  readonly family?: readonly string[] | undefined;
  readonly match?: readonly string[] | undefined;
  readonly key?: readonly string[] | undefined;
}

export const SELECT_ALL: Selection = { projects: [], families: [], matches: [], keys: [] };

const MAX_ENTRIES = 1_000;
const MAX_PROJECT_LENGTH = 512;
const MAX_PATTERN_LENGTH = 1_024;
const BASE64 = /^base64:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;

/** Families whose keys belong to a project without naming it, so that only facts show to which. */
const NEED_FACTS: ReadonlySet<Family> = new Set<Family>(['job', 'job-logs', 'cluster-jobs', 'user-projects']);

/** Throws `usage` for an entry that is invalid or can select nothing. */
export function parseSelection({ project = [], family = [], match = [], key = [] }: SelectionInput): Selection {
  for (const [option, entries] of Object.entries({ project, family, match, key })) {
    if (entries.length <= MAX_ENTRIES) continue;
    throw usageError(`--${option} is given ${entries.length} times`, `Give it at most ${MAX_ENTRIES} times.`);
  }
  return {
    projects: distinct(project.map(parseProjectId)),
    families: distinct(family.map(parseFamily)),
    matches: distinct(match.map(parsePattern)),
    keys: distinct(key).map(keyText),
  };
}

/** What an encrypted snapshot shows in place of a project's id; an id has no colon. */
const PROJECT_LABEL = /^sha256:[0-9a-f]{16}$/;

/** Rejects an empty id, as from an unset shell variable, which must not select everything, and the hash of an id. Throws `usage`. */
export function parseProjectId(project: string): string {
  if (PROJECT_LABEL.test(project)) {
    throw usageError(
      `${project} is the hash of a project's id, which an encrypted snapshot shows in its place`,
      'List the ids where BACKUP_AGE_IDENTITY is set: `npx soulcaster-backup ls latest --family project --env-file .env`.',
    );
  }
  if (project.trim() !== '' && project.length <= MAX_PROJECT_LENGTH) return project;
  throw usageError(`${quote(project)} is no id of a project`, 'Give the full id of a project.');
}

function parseFamily(family: string): Family {
  const known = FAMILIES.find((name) => name === family);
  if (known !== undefined) return known;
  throw usageError(`There is no family ${quote(family)}`, `Families: ${FAMILIES.join(', ')}.`);
}

function parsePattern(pattern: string): string {
  if (pattern !== '' && pattern.length <= MAX_PATTERN_LENGTH) return pattern;
  const what = pattern === '' ? 'is empty' : `is longer than ${MAX_PATTERN_LENGTH} characters`;
  throw usageError(
    `The pattern ${quote(pattern)} ${what}`,
    "Give a pattern such as 'feedback:*'; quote it for the shell.",
  );
}

/** Parses a key as commands show it: text, or `base64:` and the bytes of a key that is not text. */
export function keyText(key: string): Text {
  const encoded = BASE64.exec(key)?.[1];
  if (encoded === undefined) return key;
  const bytes = Buffer.from(encoded, 'base64');
  return isUtf8(bytes) ? key : { b: encoded };
}

/** Whether every key is selected. */
export function selectsAll({ projects, families, matches, keys }: Selection): boolean {
  return projects.length + families.length + matches.length + keys.length === 0;
}

/** Whether `keyMatcher` needs facts, because a key may belong to a selected project without naming it. */
export function needsFacts({ projects, families }: Selection): boolean {
  return projects.length > 0 && (families.length === 0 || families.some((family) => NEED_FACTS.has(family)));
}

/** The complete facts of each selected project. */
export type FactsByProject = ReadonlyMap<string, ProjectFacts>;

const NO_FACTS: ProjectFacts = { jobs: new Set(), clusters: new Set(), users: new Set() };

/**
 * `other`: not selected. `shared`: selected for its project, but a list of all of its user's projects. `owned`: selected.
 * `known`: the result of `classifyKey`, if the caller has it.
 */
export type KeyMatcher = (key: Buffer, known?: ClassifiedKey) => Belonging;

/** Without projects in the selection, no key is `shared`. Locks belong to no project. Throws if needed facts are missing. */
export function keyMatcher(selection: Selection, facts: FactsByProject = new Map()): KeyMatcher {
  const requiresFacts = needsFacts(selection);
  const projects = selection.projects.map((project) => {
    const known = facts.get(project);
    if (known === undefined && requiresFacts) throw new Error('the facts of a selected project are missing');
    return { project, facts: known ?? NO_FACTS };
  });
  return buildMatcher(selection, (known) => belongsToAny(projects, known));
}

/** Like `keyMatcher` before the facts are known: keys that need facts are `owned` if they may be selected. */
export function possibleKeyMatcher(selection: Selection): KeyMatcher {
  const projects = selection.projects.map((project) => ({ project, facts: NO_FACTS }));
  return buildMatcher(selection, (known) => (NEED_FACTS.has(known.family) ? 'owned' : belongsToAny(projects, known)));
}

function buildMatcher(selection: Selection, belonging: (known: ClassifiedKey) => Belonging): KeyMatcher {
  const { projects } = selection;
  const families = new Set(selection.families);
  const patterns = selection.matches.map((pattern) => Buffer.from(pattern));
  const keys = new Set(selection.keys.map((key) => bytesOf(key).toString('latin1')));
  return (key, given) => {
    if (keys.size > 0 && !keys.has(key.toString('latin1'))) return 'other';
    if (patterns.length > 0 && !patterns.some((pattern) => matchesGlob(pattern, key))) return 'other';
    if (families.size === 0 && projects.length === 0) return 'owned';
    const known = given ?? classifyKey(key.toString('utf8'));
    if (families.size > 0 && !families.has(known.family)) return 'other';
    return projects.length === 0 ? 'owned' : belonging(known);
  };
}

function belongsToAny(
  projects: readonly { readonly project: string; readonly facts: ProjectFacts }[],
  known: ClassifiedKey,
): Belonging {
  let best: Belonging = 'other';
  for (const { project, facts } of projects) {
    const belonging = belongingOf(project, facts, known);
    if (belonging === 'owned') return belonging;
    if (belonging === 'shared') best = belonging;
  }
  return best;
}

function bytesOf(text: Text): Buffer {
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : Buffer.from(text.b, 'base64');
}

function distinct<T>(entries: readonly T[]): T[] {
  return [...new Set(entries)];
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function usageError(message: string, hint: string): AppError {
  return new AppError('usage', message, { hint });
}

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const ESCAPE = 0x5c;
const DASH = 0x2d;

/** `nowhere`: the pattern does not match, however far an earlier `*` reaches. */
type Outcome = 'match' | 'no-match' | 'nowhere';

/**
 * Whether bytes match a pattern by the rules of KEYS and SCAN: `*`, `?` (one byte), `[a-z]`, `[^x]` and `\` before a literal
 * byte. `*` alone matches everything. The time is at most proportional to the product of both lengths.
 */
export function matchesGlob(pattern: Uint8Array, bytes: Uint8Array): boolean {
  if (pattern.length === 1 && pattern[0] === STAR) return true;
  return match(pattern, 0, bytes, 0) === 'match';
}

function match(pattern: Uint8Array, patternFrom: number, bytes: Uint8Array, bytesFrom: number): Outcome {
  let p = patternFrom;
  let at = bytesFrom;
  while (p < pattern.length && at < bytes.length) {
    if (pattern[p] === STAR) return matchStar(pattern, p, bytes, at);
    if (pattern[p] === OPEN) {
      const { end, matches } = matchClass(pattern, p, bytes[at] ?? 0);
      if (!matches) return 'no-match';
      p = end;
    } else if (pattern[p] !== QUESTION) {
      if (pattern[p] === ESCAPE && p + 1 < pattern.length) p++;
      if (pattern[p] !== bytes[at]) return 'no-match';
    }
    p++;
    at++;
    if (at === bytes.length) while (pattern[p] === STAR) p++;
  }
  return p === pattern.length && at === bytes.length ? 'match' : 'no-match';
}

/** If the rest after this `*` matches nowhere, extending an earlier `*` cannot help either. */
function matchStar(pattern: Uint8Array, star: number, bytes: Uint8Array, from: number): Outcome {
  let p = star;
  while (pattern[p + 1] === STAR) p++;
  if (p + 1 === pattern.length) return 'match';
  for (let at = from; at < bytes.length; at++) {
    const outcome = match(pattern, p + 1, bytes, at);
    if (outcome !== 'no-match') return outcome;
  }
  return 'nowhere';
}

/** `end`: the closing bracket, or the last byte of the pattern if there is none. */
function matchClass(pattern: Uint8Array, open: number, byte: number): { end: number; matches: boolean } {
  let p = open + 1;
  const negated = pattern[p] === CARET;
  if (negated) p++;
  let found = false;
  for (; ; p++) {
    if (pattern[p] === ESCAPE && p + 1 < pattern.length) {
      p++;
      found ||= pattern[p] === byte;
    } else if (pattern[p] === CLOSE) {
      break;
    } else if (p >= pattern.length) {
      p = pattern.length - 1;
      break;
    } else if (pattern[p + 1] === DASH && p + 2 < pattern.length) {
      const [a, b] = [pattern[p] ?? 0, pattern[p + 2] ?? 0];
      found ||= byte >= Math.min(a, b) && byte <= Math.max(a, b);
      p += 2;
    } else {
      found ||= pattern[p] === byte;
    }
  }
  return { end: p, matches: found !== negated };
}
