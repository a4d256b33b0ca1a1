import { listWords, selectionWords } from '../soulcaster/selection-words.js';
import type { Item, Scope, RestoreInput } from './model.js';

// The page uses this file too: it must not need Node.

const PLAIN_WORD = /^[\w.:@/][\w.:@/-]*$/;

/** `PROJECT/ID`. */
export function itemName({ project, id }: Item): string {
  return `${project}/${id}`;
}

/** `everything`, `project p`, `keys matching feedback:*, family config`, `item p/1`. */
export function scopeWords(scope: Scope): string {
  if ('all' in scope) return 'everything';
  if ('project' in scope) return listWords('project', 'projects', [scope.project]);
  if ('items' in scope) return listWords('item', 'items', scope.items.map(itemName));
  return selectionWords(scope);
}

/**
 * The text that confirms a restore: the id of the project, `PROJECT/ID` of the item, or the id of the snapshot for
 * everything and for every other selection.
 */
export function confirmationFor(scope: Scope, snapshot: string): string {
  if ('project' in scope) return scope.project;
  const [item, ...more] = 'items' in scope ? scope.items : [];
  return item !== undefined && more.length === 0 ? itemName(item) : snapshot;
}

/** The options of a command that select the scope. */
export function scopeOptions(scope: Scope): string[] {
  const given = (option: string, entries: readonly string[]): string[] =>
    entries.flatMap((entry) => [option, quoted(entry)]);
  if ('all' in scope) return [];
  if ('project' in scope) return given('--project', [scope.project]);
  if ('items' in scope) return given('--item', scope.items.map(itemName));
  return [
    ...given('--project', scope.projects),
    ...given('--family', scope.families),
    ...given('--match', scope.matches),
    ...given('--key', scope.keys),
  ];
}

/** Quotes a text as one word of a shell; control characters, which no real id has, are written as bash escapes. */
export function quoted(word: string): string {
  if (PLAIN_WORD.test(word)) return word;
  if (!/\p{C}/u.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const bytes = [...new TextEncoder().encode(word)];
  return `$'${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`;
}

/** A scope from a run's record; null when it is not a scope, or is hidden here. */
export function scopeOf(value: unknown): Scope | null {
  if (typeof value !== 'object' || value === null) return null;
  if ('all' in value) return { all: true };
  if ('project' in value) return typeof value.project === 'string' ? { project: value.project } : null;
  return isSelected(value) ? value : null;
}

/** A hidden selector is not a list. */
function isSelected(scope: object): scope is Exclude<Scope, { all: true } | { project: string }> {
  const lists = 'items' in scope ? [scope.items] : SELECTORS.map((name) => (scope as Partial<SelectedKeys>)[name]);
  return lists.every((list) => Array.isArray(list));
}

const SELECTORS = ['projects', 'families', 'matches', 'keys'] as const;
type SelectedKeys = Extract<Scope, { families: unknown }>;

type Where = Pick<RestoreInput, 'scope' | 'target'>;

/** A shell command that restores a snapshot into the same scope and target; `replica`: from the second store. */
export function restoreCommand(snapshot: string, { scope, target }: Where, replica = false): string {
  const into = [...(target === null ? [] : ['--target', quoted(target)]), ...(replica ? ['--replica'] : [])];
  return ['npx soulcaster-backup restore', snapshot, ...scopeOptions(scope), ...into, '--env-file .env'].join(' ');
}

/** The options of a restore that a command can express. `settle` is null for the snapshot's default. */
type RestoreOptions = Pick<RestoreInput, 'snapshot' | 'scope' | 'target' | 'mode' | 'expiry' | 'safety'> & {
  readonly settle: boolean | null;
  readonly allowIncomplete: boolean;
  readonly fromSource?: boolean;
};

/** The command that repeats a restore as it was requested. */
export function sameRestore(request: RestoreOptions, replica = false): string {
  const options = [
    ...(request.mode === 'replace' ? [] : ['--mode', request.mode]),
    ...(request.expiry === 'keep' ? [] : ['--ttl', request.expiry]),
    ...(request.safety ? [] : ['--no-safety']),
    ...(request.settle === false ? ['--no-settle'] : []),
    ...(request.fromSource === true ? ['--from-source'] : []),
    ...(request.allowIncomplete ? ['--allow-incomplete'] : []),
  ];
  return [restoreCommand(request.snapshot, request, replica), ...options].join(' ');
}
