import { itemName } from './selected.js';
import type { RestoreInput, Scope } from './model.js';

const PLAIN_WORD = /^[\w.:@/][\w.:@/-]*$/;

type Where = Pick<RestoreInput, 'scope' | 'target'>;

/**
 * A command that can be pasted into a shell: restores a snapshot into the same scope and target; `replica`: from the second
 * store.
 */
export function restoreCommand(snapshot: string, { scope, target }: Where, replica = false): string {
  const into = [...(target === null ? [] : ['--target', quoted(target)]), ...(replica ? ['--replica'] : [])];
  return ['npx soulcaster-backup restore', snapshot, ...scopeOptions(scope), ...into, '--env-file .env'].join(' ');
}

/** The options of a command that mean the scope. */
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

/** What a restore was asked, as far as a command says so. `settle` is null for what fits the snapshot. */
type RestoreOptions = Pick<RestoreInput, 'snapshot' | 'scope' | 'target' | 'mode' | 'expiry' | 'safety'> & {
  readonly settle: boolean | null;
  readonly allowIncomplete: boolean;
  readonly fromSource?: boolean;
};

/** The command that starts a restore again as it was asked for. */
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

/** A text as one word of a shell; control characters, which no real id has, are written as bash takes them. */
export function quoted(word: string): string {
  if (PLAIN_WORD.test(word)) return word;
  if (!/\p{C}/u.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const bytes = [...Buffer.from(word, 'utf8')];
  return `$'${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'`;
}
