import type { RestoreNames } from '../../restore/naming.js';
import type { RestoreInput } from '../../restore/model.js';
import { restoreCommand } from '../../restore/undo-command.js';
import { printable } from '../output/format.js';

export { restoreCommand };

type Where = Pick<RestoreInput, 'scope' | 'target'>;

/** `everything` or `project p`. */
export function scopeWords({ scope }: Pick<Where, 'scope'>): string {
  return 'all' in scope ? 'everything' : `project ${printable(scope.project)}`;
}

/** `the database DB (label)` or `target t (DB)`, DB being its host. */
export function targetWords({ names, target }: Named): string {
  const { host, label, source } = names.database;
  const where = host ?? `source ${source}`;
  const named = label === null ? where : `${where} (${printable(label)})`;
  return target === null ? `the database ${named}` : `target ${printable(target)} (${where})`;
}

/** `20261122T020000Z-x7k2m9`, and of what, where it is of another database. */
export function snapshotWords({ names, snapshot }: Named): string {
  const { label, own, source } = names.snapshot;
  const named = label === null ? '' : ` (${printable(label)})`;
  return own ? `snapshot ${snapshot}${named}` : `snapshot ${snapshot} of ANOTHER DATABASE, source ${source}${named},`;
}

/** What a result names, with the host that stands in the configuration alone. */
export interface Named {
  readonly snapshot: string;
  readonly target: string | null;
  readonly names: Omit<RestoreNames, 'database'> & {
    readonly database: RestoreNames['database'] & { readonly host: string | null };
  };
}

/** The command that starts a restore again as it was asked for. */
export function sameRestore(
  request: Pick<RestoreInput, 'snapshot' | 'scope' | 'target' | 'mode' | 'expiry' | 'safety'> & SettleAndLacks,
): string {
  const options = [
    ...(request.mode === 'replace' ? [] : ['--mode', request.mode]),
    ...(request.expiry === 'keep' ? [] : ['--ttl', request.expiry]),
    ...(request.safety ? [] : ['--no-safety']),
    ...(request.settle === false ? ['--no-settle'] : []),
    ...(request.fromSource === true ? ['--from-source'] : []),
    ...(request.allowIncomplete ? ['--allow-incomplete'] : []),
  ];
  return [restoreCommand(request.snapshot, request), ...options].join(' ');
}

interface SettleAndLacks {
  readonly settle: boolean | null;
  readonly allowIncomplete: boolean;
  readonly fromSource?: boolean;
}

/** Of a snapshot that was taken in the middle of a restore: what it brings back is partly old and partly restored. */
export function markedWords(snapshot: string): string {
  return `Snapshot ${snapshot} shows an unfinished restore, so that its database stays marked, and no snapshot of it is \`latest\`, until another snapshot is restored or \`snapshots accept\` says that the data are right.`;
}
