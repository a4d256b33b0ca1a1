import { AppError } from '../errors.js';
import { buildKey, type ClassifiedKey, type Family } from '../soulcaster/keys.js';
import type { ProjectFacts } from '../soulcaster/project-scope.js';
import {
  keyMatcher,
  keyText,
  parseSelection,
  possibleKeyMatcher,
  SELECT_ALL,
  type FactsByProject,
  type Selection,
} from '../soulcaster/selection.js';
import { isEphemeral } from '../soulcaster/in-flight.js';
import { fromText } from '../snapshot/text.js';
import { scopeSchema, type Item, type Mode, type RestoreInput, type Scope } from './model.js';
import { itemName } from './scope-words.js';

/**
 * Whose a key is, seen from a scope. `owned`: all of it is restored. `shared`: a list of all of a user's projects, to
 * which a project is added. `partial`: a list of items, of which the scope's items alone are restored. `other`: nothing.
 */
export type Part = 'owned' | 'shared' | 'partial' | 'other';
export type ScopeMatcher = (key: Buffer, known: ClassifiedKey) => Part;

/** What is tied to a project of the scope, and for an item the keys of its ids elsewhere. */
export interface ScopeFacts {
  readonly byProject: FactsByProject;
  /** Names of keys `feedback:external:...` that lead to an item of the scope. */
  readonly externals: ReadonlySet<string>;
}

/** Lists in which an item stands. */
const ITEM_LISTS: ReadonlySet<Family> = new Set<Family>([
  'feedback-created',
  'feedback-source',
  'feedback-unclustered',
  'cluster-items',
]);

/** What decides the text or the cluster of a vector. */
const IN_VECTORS: ReadonlySet<Family> = new Set<Family>([
  'feedback',
  'cluster-items',
  'legacy-feedback',
  'legacy-cluster-items',
]);

/** Null for a scope of whole keys. */
export function itemsOf(scope: Scope): readonly Item[] | null {
  return 'items' in scope ? scope.items : null;
}

/** The scope as a selection of keys; that of items has their projects alone. */
export function selectionOf(scope: Scope): Selection {
  if ('all' in scope) return SELECT_ALL;
  if ('project' in scope) return { ...SELECT_ALL, projects: [scope.project] };
  if ('items' in scope) return { ...SELECT_ALL, projects: [...new Set(scope.items.map(({ project }) => project))] };
  const { projects, families, matches, keys } = scope;
  return parseSelection({ project: projects, family: families, match: matches, key: keys });
}

/**
 * The scope in one form, however it was written: entries in order and once, one project alone as `project`. Throws
 * `usage` for an entry that can select nothing.
 */
export function normalScope(scope: Scope): Scope {
  selectionOf(scope);
  if ('all' in scope || 'project' in scope) return scope;
  demandForm(scope);
  if ('items' in scope) {
    const items = new Map(scope.items.map((item) => [itemName(item), item]));
    return { items: [...items].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item) };
  }
  const inOrder = (entries: readonly string[]): string[] => [...new Set(entries)].sort();
  const { families, keys, matches } = scope;
  const projects = inOrder(scope.projects);
  const [project] = projects;
  const isOne = projects.length === 1 && families.length + keys.length + matches.length === 0;
  if (isOne && project !== undefined) return { project };
  return { projects, families: inOrder(families), matches: inOrder(matches), keys: inOrder(keys) };
}

/** Throws `usage` for what a run's input does not take, before there is a run that only fails by it. */
function demandForm(scope: Scope): void {
  if (scopeSchema.safeParse(scope).success) return;
  throw new AppError('usage', 'What is to be restored is named by too much, or by names that are too long', {
    hint: 'Ids have 512 characters at most, patterns 1,024 and keys 65,536; each may be given up to 1,000 times.',
  });
}

export function sameScope(one: Scope, other: Scope): boolean {
  return JSON.stringify(normalScope(one)) === JSON.stringify(normalScope(other));
}

/** Projects that are restored, or that an item is in; empty where no project is named. */
export function projectsOf(scope: Scope): readonly string[] {
  return selectionOf(scope).projects;
}

/** Whose each key is. Locks are nobody's: who held one is gone. */
export function scopeMatcher(scope: Scope, facts: ScopeFacts): ScopeMatcher {
  return withoutLocks(
    'items' in scope ? itemMatcher(scope.items, facts.externals) : keyMatcher(selectionOf(scope), facts.byProject),
  );
}

/** The same before the facts are known: a key that only they tell of is `owned`. */
export function possibleMatcher(scope: Scope): ScopeMatcher {
  if (!('items' in scope)) return withoutLocks(possibleKeyMatcher(selectionOf(scope)));
  const projects = new Set(projectsOf(scope));
  const matches = itemMatcher(scope.items, null);
  return withoutLocks((key: Buffer, known: ClassifiedKey) =>
    known.family === 'feedback-external' && projects.has(known.project ?? '') ? 'owned' : matches(key, known),
  );
}

function withoutLocks(matches: ScopeMatcher): ScopeMatcher {
  return (key, known) => (isEphemeral(known) ? 'other' : matches(key, known));
}

function itemMatcher(items: readonly Item[], externals: ReadonlySet<string> | null): ScopeMatcher {
  const projects = new Set(items.map(({ project }) => project));
  const hashes = new Set(items.map(({ project, id }) => buildKey('feedback', { project, item: id })));
  return (key, { family, project }) => {
    if (project === null || !projects.has(project)) return 'other';
    if (ITEM_LISTS.has(family)) return 'partial';
    const owned =
      (family === 'feedback' && hashes.has(key.toString('utf8'))) ||
      (family === 'feedback-external' && externals?.has(key.toString('utf8')) === true);
    return owned ? 'owned' : 'other';
  };
}

/** Whether all of each project is restored that is restored at all. */
export function isWhole(scope: Scope): boolean {
  const { families, keys, matches } = selectionOf(scope);
  return !('items' in scope) && families.length + keys.length + matches.length === 0;
}

/** Whether lists of members are restored member by member in this mode: an item is added to lists that stay. */
export function listMode({ mode, scope }: Pick<RestoreInput, 'mode' | 'scope'>): Mode {
  return mode === 'replace' && 'items' in scope ? 'merge' : mode;
}

/** Ids of the scope's items in one project. */
export function itemsIn(scope: Scope, project: string | null): ReadonlySet<string> {
  const items = itemsOf(scope) ?? [];
  return new Set(items.filter((item) => item.project === project).map(({ id }) => id));
}

/** Whether what a key holds goes into a vector. */
export function isInVectors({ family }: ClassifiedKey): boolean {
  return IN_VECTORS.has(family);
}

/** Whether a replacement by this scope may remove anything in the database: it names no project, key or item. */
export function isUnbounded(scope: Scope): boolean {
  const { projects, keys } = selectionOf(scope);
  return projects.length + keys.length === 0;
}

/** Keys that are named one by one. */
export function namedKeys(scope: Scope): readonly Buffer[] {
  if ('items' in scope)
    return scope.items.map(({ project, id }) => Buffer.from(buildKey('feedback', { project, item: id })));
  return 'keys' in scope ? scope.keys.map((key) => fromText(keyText(key))) : [];
}

export function factsOf(byProject: Iterable<readonly [string, ProjectFacts]>, externals: Iterable<string>): ScopeFacts {
  return { byProject: new Map(byProject), externals: new Set(externals) };
}
