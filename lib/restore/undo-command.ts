import type { RestoreInput } from './model.js';
import { quoted, scopeOptions } from './scope-words.js';

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
