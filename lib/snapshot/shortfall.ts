import { refusedTypes } from './ledger.js';
import type { ManifestSummary } from './summary.js';

/** Why a snapshot is incomplete, with numbers, and what to do. */
export function shortfall(
  {
    id,
    ledger,
    names,
  }: Pick<ManifestSummary, 'id' | 'ledger'> & { readonly names?: ManifestSummary['names'] | undefined },
  skipTypes: readonly string[] = [],
): { readonly message: string; readonly hint: string } {
  const failed = ledger.failed.count;
  const unexplained = names?.unexplained ?? 0;
  const types = refusedTypes(ledger, skipTypes);
  const causes = [
    failed > 0 ? `${keys(failed)} could not be saved` : null,
    unexplained > 0
      ? `${keys(unexplained)} in DBSIZE were not found in ${names?.walks ?? 0} walks over the names`
      : null,
    types.length > 0 ? `${keys(ledger.unsupported.count)} of type ${types.join(', ')} that no snapshot can hold` : null,
  ];
  const show = `npx soulcaster-backup show ${id} --env-file .env`;
  const remedies = [
    failed > 0 ? `List the keys and reasons with \`${show}\` and remove the cause.` : null,
    unexplained > 0 ? 'Find out whether the server keeps restarting, or hides keys from the token.' : null,
    types.length > 0
      ? `To back up without these keys, set BACKUP_SKIP_TYPES=${types.join(',')}; \`${show}\` names them.`
      : null,
    failed > 0 || unexplained > 0
      ? 'Then take another snapshot: `npx soulcaster-backup backup --env-file .env`.'
      : null,
  ];
  return { message: join(causes, '; '), hint: join(remedies, ' ') };
}

/** Describes the keys that a snapshot lacks, complete or not; null when it lacks none. */
export function unsavedWords({ ledger, names }: Pick<ManifestSummary, 'ledger' | 'names'>): string | null {
  const { message } = shortfall({ id: '', ledger, names });
  return message === '' ? null : message;
}

/**
 * Whether a snapshot lacks keys that it could hold, so that replacing a database with it would remove them. A snapshot that is
 * incomplete only because of keys that no snapshot can hold lacks none: a restore leaves such keys as they are.
 */
export function lacksSavableKeys({
  ledger,
  names,
  state,
}: Pick<ManifestSummary, 'ledger' | 'names' | 'state'>): boolean {
  if (state === 'complete') return false;
  return ledger.failed.count > 0 || (names?.unexplained ?? 0) > 0 || ledger.unsupported.count === 0;
}

function keys(count: number): string {
  return `${count} ${count === 1 ? 'key' : 'keys'}`;
}

function join(parts: readonly (string | null)[], by: string): string {
  return parts.filter((part) => part !== null).join(by);
}
