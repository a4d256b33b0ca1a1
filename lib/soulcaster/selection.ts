import { isUtf8 } from 'node:buffer';
import { AppError } from '../errors.js';
import { matchesGlob } from './glob.js';
import { classifyKey, FAMILIES, type ClassifiedKey, type Family } from './keys.js';
import { belongs, type Belonging, type ProjectFacts } from './project-scope.js';
import type { Text } from './text.js';

/**
 * Which keys are meant, as ls, find, diff, export and restore take it: a key is selected when it fits every kind that is
 * given, by any entry of it; an empty list restricts nothing. A type, not an interface: it is stored as JSON.
 */
export type Selection = {
  /** Whole ids. What belongs to a project without naming it (jobs, logs, a cluster's jobs, users' lists) is told by facts. */
  readonly projects: readonly string[];
  readonly families: readonly Family[];
  /** Patterns on the whole key, as Redis matches them; see `matchesGlob`. */
  readonly matches: readonly string[];
  readonly keys: readonly Text[];
};

/** The same as a command line or a request gives it. A key that is no UTF-8 is `base64:` and the base64 of its bytes. */
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

/** Families of which a key belongs to a project without naming it: only facts tell. */
const TIED: ReadonlySet<Family> = new Set<Family>(['job', 'job-logs', 'cluster-jobs', 'user-projects']);

/** Throws `usage` for an entry that can select nothing, or that is not what it is taken for. */
export function parseSelection({ project = [], family = [], match = [], key = [] }: SelectionInput): Selection {
  for (const [option, entries] of Object.entries({ project, family, match, key })) {
    if (entries.length <= MAX_ENTRIES) continue;
    throw refused(`--${option} is given ${entries.length} times`, `Give it up to ${MAX_ENTRIES} times.`);
  }
  return {
    projects: distinct(project.map(demandProjectId)),
    families: distinct(family.map(demandFamily)),
    matches: distinct(match.map(demandPattern)),
    keys: distinct(key).map(keyText),
  };
}

/** An empty one, as of a shell variable that is not set, must not come to mean everything. */
function demandProjectId(project: string): string {
  if (project.trim() !== '' && project.length <= MAX_PROJECT_LENGTH) return project;
  throw refused(`${shown(project)} is no id of a project`, 'Give the whole id of a project.');
}

function demandFamily(family: string): Family {
  const known = FAMILIES.find((name) => name === family);
  if (known !== undefined) return known;
  throw refused(`There is no family ${shown(family)}`, `Families: ${FAMILIES.join(', ')}.`);
}

function demandPattern(pattern: string): string {
  if (pattern !== '' && pattern.length <= MAX_PATTERN_LENGTH) return pattern;
  const what = pattern === '' ? 'is empty' : `is longer than ${MAX_PATTERN_LENGTH} characters`;
  throw refused(
    `The pattern ${shown(pattern)} ${what}`,
    "Give a pattern such as 'feedback:*'; quote it for the shell.",
  );
}

/** A key as an operator writes it: text or, as commands show a key that is none, `base64:` and its bytes. */
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

/**
 * Whether every key of the second is surely in the first, by their entries: of each kind the first has none, or all of the
 * second's.
 */
export function holdsAllOf(first: Selection, second: Selection): boolean {
  const text = (entry: Text): string => JSON.stringify(entry);
  return (['projects', 'families', 'matches', 'keys'] as const).every((kind) => {
    const [held, wanted] = [new Set(first[kind].map(text)), second[kind].map(text)];
    return held.size === 0 || (wanted.length > 0 && wanted.every((entry) => held.has(entry)));
  });
}

/** Whether `keyMatcher` must be given facts: a key may belong to a selected project without naming it. */
export function needsFacts({ projects, families }: Selection): boolean {
  return projects.length > 0 && (families.length === 0 || families.some((family) => TIED.has(family)));
}

/** Facts of each selected project, complete. Several: the same as `belongs` takes for one. */
export type FactsByProject = ReadonlyMap<string, ProjectFacts>;

const NO_FACTS: ProjectFacts = { jobs: new Set(), clusters: new Set(), users: new Set() };

/**
 * `other`: not selected. `shared`: selected for its project, but a list of all of its user's projects. `owned`: selected.
 * `known` is what `classifyKey` says of the key, for callers that have it.
 */
export type KeyMatcher = (key: Buffer, known?: ClassifiedKey) => Belonging;

/** Without projects in the selection, no key is `shared`. Locks are no project's. Throws when facts of one are missing. */
export function keyMatcher(selection: Selection, facts: FactsByProject = new Map()): KeyMatcher {
  const demandsFacts = needsFacts(selection);
  const projects = selection.projects.map((project) => {
    const known = facts.get(project);
    if (known === undefined && demandsFacts) throw new Error('the facts of a selected project are missing');
    return { project, facts: known ?? NO_FACTS };
  });
  return matcherOf(selection, (known) => belongsToAny(projects, known));
}

/** As `keyMatcher`, before the facts are known: keys that only they tell of are `owned` where they may be selected. */
export function possibleKeyMatcher(selection: Selection): KeyMatcher {
  const projects = selection.projects.map((project) => ({ project, facts: NO_FACTS }));
  return matcherOf(selection, (known) => (TIED.has(known.family) ? 'owned' : belongsToAny(projects, known)));
}

function matcherOf(selection: Selection, belonging: (known: ClassifiedKey) => Belonging): KeyMatcher {
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
    const belonging = belongs(project, facts, known);
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

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}

function refused(message: string, hint: string): AppError {
  return new AppError('usage', message, { hint });
}
