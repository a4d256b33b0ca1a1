import { refusedTypes } from './ledger.js';
import type { ManifestSummary } from './summary.js';

/** Why a snapshot is incomplete, in numbers, and what to do about it. */
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
      ? `${keys(unexplained)} that the database counts were in none of ${names?.walks ?? 0} walks over the names`
      : null,
    types.length > 0 ? `${keys(ledger.unsupported.count)} ${typeWords(types)} that no snapshot can hold` : null,
  ];
  const show = `npx soulcaster-backup show ${id} --env-file .env`;
  const cures = [
    failed > 0 ? `See the keys and reasons with \`${show}\` and remove the cause.` : null,
    unexplained > 0 ? 'The server was restarted again and again, or hides keys: find out which.' : null,
    types.length > 0
      ? `To back up without these keys, set BACKUP_SKIP_TYPES=${types.join(',')}; \`${show}\` names them.`
      : null,
    failed > 0 || unexplained > 0
      ? 'Then take another snapshot: `npx soulcaster-backup backup --env-file .env`.'
      : null,
  ];
  return { message: joined(causes, '; '), hint: joined(cures, ' ') };
}

/** What a snapshot says of keys that are not in it, complete or not; null when it says nothing. */
export function unsavedWords({ ledger, names }: Pick<ManifestSummary, 'ledger' | 'names'>): string | null {
  const { message } = shortfall({ id: '', ledger, names });
  return message === '' ? null : message;
}

/**
 * Whether a snapshot lacks keys that it could hold, so that to replace a database by it would remove them. One that is
 * incomplete for keys of types that no snapshot can hold lacks none: a restore leaves such keys as they are.
 */
export function lacksSavableKeys({
  ledger,
  names,
  state,
}: Pick<ManifestSummary, 'ledger' | 'names' | 'state'>): boolean {
  if (state === 'complete') return false;
  return ledger.failed.count > 0 || (names?.unexplained ?? 0) > 0 || ledger.unsupported.count === 0;
}

function typeWords(types: readonly string[]): string {
  return `of type ${types.join(', ')}`;
}

function keys(count: number): string {
  return `${count} ${count === 1 ? 'key' : 'keys'}`;
}

function joined(parts: readonly (string | null)[], by: string): string {
  return parts.filter((part) => part !== null).join(by);
}
