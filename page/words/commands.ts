import { quoted, scopeOptions } from '../../lib/restore/scope-words.js';
import type { ReindexOrder, RestoreOrder, Scope, WholeScope } from '../api/types.js';

/** The request as the API takes it, without the confirmation, which the command line prompts for; the scope is parsed. */
type RestoreWords = Omit<RestoreOrder, 'confirm' | 'scope'> & { readonly scope: Scope };
type ReindexWords = Omit<ReindexOrder, 'scope'> & { readonly scope?: WholeScope };

/** Command lines equivalent to the page's buttons. */
export const commands = {
  backup: () => line(['backup']),
  verify: (snapshot: string) => line(['verify', quoted(snapshot)]),
  restore: ({
    dryRun = false,
    expiry = 'keep',
    fromSource = false,
    mode = 'replace',
    reindex = true,
    safety = true,
    scope,
    settle,
    snapshot,
  }: RestoreWords) =>
    line([
      'restore',
      quoted(snapshot),
      ...scopeOptions(scope),
      ...(mode === 'replace' ? [] : ['--mode', mode]),
      ...(expiry === 'keep' ? [] : ['--ttl', expiry]),
      ...(fromSource ? ['--from-source'] : []),
      ...(settle === false ? ['--no-settle'] : []),
      ...(safety ? [] : ['--no-safety']),
      ...(reindex ? [] : ['--no-reindex']),
      ...(dryRun ? ['--dry-run'] : []),
    ]),
  reindex: ({ beside = null, dropOld, mode = 'in-place', retry = null, scope }: ReindexWords) =>
    line([
      'reindex',
      ...(retry !== null ? ['--retry', quoted(retry)] : []),
      ...(scope === undefined ? [] : 'all' in scope ? ['--all'] : scopeOptions(scope)),
      ...(mode === 'in-place' ? [] : ['--mode', mode]),
      ...(beside === null ? [] : beside.index === 'next' ? ['--next'] : ['--into', quoted(beside.suffix)]),
      ...(dropOld === true ? ['--drop-old'] : []),
    ]),
  drill: () => line(['drill']),
  run: (id: string) => line(['run', quoted(id)]),
};

function line(words: readonly string[]): string {
  return ['npx soulcaster-backup', ...words, '--env-file .env'].join(' ');
}
