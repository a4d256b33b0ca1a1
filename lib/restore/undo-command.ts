import type { RestoreInput } from './model.js';

const PLAIN_WORD = /^[\w.:@][\w.:@-]*$/;

type Where = Pick<RestoreInput, 'scope' | 'target'>;

/** A command that can be pasted into a shell: restores a snapshot into the same scope and target. */
export function restoreCommand(snapshot: string, { scope, target }: Where): string {
  const project = 'all' in scope ? [] : ['--project', quoted(scope.project)];
  const into = target === null ? [] : ['--target', quoted(target)];
  return ['npx soulcaster-backup restore', snapshot, ...project, ...into, '--env-file .env'].join(' ');
}

/** One word of a shell; control characters, which no real id has, are written as bash takes them. */
function quoted(word: string): string {
  if (PLAIN_WORD.test(word)) return word;
  if (!/\p{C}/u.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const bytes = [...Buffer.from(word, 'utf8')];
  return `$'${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`;
}
