import type { RestoreInput } from '../../restore/model.js';
import { printable } from '../output/format.js';

const PLAIN_WORD = /^[\w.:@-]+$/;

type Where = Pick<RestoreInput, 'scope' | 'target'>;

/** `everything` or `project p`. */
export function scopeWords({ scope }: Pick<Where, 'scope'>): string {
  return 'all' in scope ? 'everything' : `project ${printable(scope.project)}`;
}

/** `the database` or `target t`. */
export function targetWords({ target }: Pick<Where, 'target'>): string {
  return target === null ? 'the database' : `target ${printable(target)}`;
}

/** A command that restores a snapshot into the same place; `whole` leaves the project out. */
export function restoreCommand(snapshot: string, { scope, target }: Where, whole = false): string {
  const project = 'all' in scope || whole ? [] : ['--project', quoted(scope.project)];
  const into = target === null ? [] : ['--target', quoted(target)];
  return ['soulcaster-backup restore', snapshot, ...project, ...into].join(' ');
}

/** For a shell; control characters, which no real id has, are shown as everywhere. */
function quoted(word: string): string {
  if (PLAIN_WORD.test(word)) return word;
  const safe = /\p{C}/u.test(word) ? printable(word) : word;
  return `'${safe.replaceAll("'", `'\\''`)}'`;
}
