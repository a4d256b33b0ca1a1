import { AppError } from '../errors.js';
import { buildKey, type ClassifiedKey, type Family } from '../soulcaster/keys.js';
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
import { fromText } from '../soulcaster/text.js';
import { scopeSchema, type Item, type Mode, type RestoreInput, type Scope } from './model.js';
import { itemName } from './scope-words.js';

/**
 * How a key belongs to a scope. `owned`: the whole key is restored. `shared`: the list of a user's projects, to which a
 * project is added. `partial`: a list of items, of which only the scope's items are restored. `other`: not at all.
 */
type Part = 'owned' | 'shared' | 'partial' | 'other';
export type ScopeMatcher = (key: Buffer, known: ClassifiedKey) => Part;

/** The ids tied to each project of the scope, and for items the keys of their external ids. */
export interface ScopeFacts {
  readonly byProject: FactsByProject;
  /** Names of keys `feedback:external:...` that lead to an item of the scope. */
  readonly externals: ReadonlySet<string>;
}

/** Lists that hold items. */
const ITEM_LISTS: ReadonlySet<Family> = new Set<Family>([
  'feedback-created',
  'feedback-source',
  'feedback-unclustered',
  'cluster-items',
]);

/** Families that decide the text or the cluster of a vector. */
const IN_VECTORS: ReadonlySet<Family> = new Set<Family>([
  'feedback',
  'cluster-items',
  'legacy-feedback',
  'legacy-cluster-items',
]);

/** The items of the scope; null for a scope of whole keys. */
export function itemsOf(scope: Scope): readonly Item[] | null {
  return 'items' in scope ? scope.items : null;
}

/** The scope as a selection of keys; a scope of items becomes their projects. */
export function selectionOf(scope: Scope): Selection {
  if ('all' in scope) return SELECT_ALL;
  if ('project' in scope) return { ...SELECT_ALL, projects: [scope.project] };
  if ('items' in scope) return { ...SELECT_ALL, projects: [...new Set(scope.items.map(({ project }) => project))] };
  const { projects, families, matches, keys } = scope;
  return parseSelection({ project: projects, family: families, match: matches, key: keys });
}

/**
 * The scope in its normal form: entries sorted and unique, a single project as `project`. Throws `usage` for an entry
 * that can select nothing.
 */
export function normalizeScope(scope: Scope): Scope {
  selectionOf(scope);
  if ('all' in scope || 'project' in scope) return scope;
  assertScopeSize(scope);
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

/** Throws `usage` for a scope that a run's input cannot hold, rather than start a run that fails. */
function assertScopeSize(scope: Scope): void {
  if (scopeSchema.safeParse(scope).success) return;
  throw new AppError('usage', 'The scope has too many entries, or entries that are too long', {
    hint: 'Ids have 512 characters at most, patterns 1,024 and keys 65,536; each may be given up to 1,000 times.',
  });
}

export function sameScope(one: Scope, other: Scope): boolean {
  return JSON.stringify(normalizeScope(one)) === JSON.stringify(normalizeScope(other));
}

/** Projects that are restored, or that hold a restored item; empty when the scope names none. */
export function projectsOf(scope: Scope): readonly string[] {
  return selectionOf(scope).projects;
}

/** Decides how each key belongs to the scope. Locks never do: their holders are gone. */
export function scopeMatcher(scope: Scope, facts: ScopeFacts): ScopeMatcher {
  return withoutLocks(
    'items' in scope ? itemMatcher(scope.items, facts.externals) : keyMatcher(selectionOf(scope), facts.byProject),
  );
}

/** The same before the facts are known: a key that only facts decide counts as `owned`. */
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

/** Whether the scope restores whole projects: no items, families, keys or patterns. */
export function isWhole(scope: Scope): boolean {
  const { families, keys, matches } = selectionOf(scope);
  return !('items' in scope) && families.length + keys.length + matches.length === 0;
}

/** The mode for lists of members: items are merged into lists that stay. */
export function listMode({ mode, scope }: Pick<RestoreInput, 'mode' | 'scope'>): Mode {
  return mode === 'replace' && 'items' in scope ? 'merge' : mode;
}

/** Ids of the scope's items in one project. */
export function itemsIn(scope: Scope, project: string | null): ReadonlySet<string> {
  const items = itemsOf(scope) ?? [];
  return new Set(items.filter((item) => item.project === project).map(({ id }) => id));
}

/** Whether the key's value goes into a vector. */
export function isInVectors({ family }: ClassifiedKey): boolean {
  return IN_VECTORS.has(family);
}

/** Whether a replacement of this scope may remove anything in the database: it names no project, key or item. */
export function isUnbounded(scope: Scope): boolean {
  const { projects, keys } = selectionOf(scope);
  return projects.length + keys.length === 0;
}

/** Keys that the scope names one by one. */
export function namedKeys(scope: Scope): readonly Buffer[] {
  if ('items' in scope)
    return scope.items.map(({ project, id }) => Buffer.from(buildKey('feedback', { project, item: id })));
  return 'keys' in scope ? scope.keys.map((key) => fromText(keyText(key))) : [];
}
