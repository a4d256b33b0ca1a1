import type { ReindexOrder, RestoreOrder, Scope } from '../api/types.js';

const PLAIN_WORD = /^[\w.:@][\w.:@-]*$/;

/** A word as a POSIX shell reads it back unchanged. */
export function quoted(word: string): string {
  return PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command lines that do what the page's buttons do. */
export const commands = {
  backup: () => line(['backup']),
  verify: (snapshot: string) => line(['verify', quoted(snapshot)]),
  restore: ({ snapshot, scope, mode, dryRun }: Omit<RestoreOrder, 'confirm'>) =>
    line([
      'restore',
      quoted(snapshot),
      ...projectOf(scope),
      ...(mode === 'replace' ? [] : ['--mode', mode]),
      ...(dryRun ? ['--dry-run'] : []),
    ]),
  reindex: ({ scope, mode }: ReindexOrder) =>
    line([
      'reindex',
      ...('all' in scope ? ['--all'] : projectOf(scope)),
      ...(mode === 'in-place' ? [] : ['--mode', mode]),
    ]),
  drill: () => line(['drill']),
  run: (id: string) => line(['run', quoted(id)]),
};

function projectOf(scope: Scope): string[] {
  return 'all' in scope ? [] : ['--project', quoted(scope.project)];
}

function line(words: readonly string[]): string {
  return ['npx soulcaster-backup', ...words, '--env-file .env'].join(' ');
}
