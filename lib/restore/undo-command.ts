import type { RestoreInput } from './model.js';
import { quoted, scopeOptions } from './scope-words.js';

type Where = Pick<RestoreInput, 'scope' | 'target'>;

/**
 * A command that can be pasted into a shell: restores a snapshot into the same scope and target; `replica`: from the second
 * store.
 */
export function restoreCommand(snapshot: string, { scope, target }: Where, replica = false): string {
  const into = [...(target === null ? [] : ['--target', quoted(target)]), ...(replica ? ['--replica'] : [])];
  return ['npx soulcaster-backup restore', snapshot, ...scopeOptions(scope), ...into, '--env-file .env'].join(' ');
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
