import { AppError } from '../errors.js';
import type { Encryptor } from '../ports/crypto.js';
import type { Ledger, LedgerKey, NamedKey, OpenLedger } from './manifest.js';
import type { ManifestSummary } from './summary.js';
import { toText, type Text } from '../soulcaster/text.js';

/** Further keys are counted, but not named: the checkpoint must stay small. */
const MAX_NAMED = 1000;

const LISTS = ['changedMeanwhile', 'unsupported', 'failed'] as const;
type LedgerList = (typeof LISTS)[number];

/**
 * The ledger with one more key in one of its lists. The name is encrypted where the parts are: then neither the function
 * that takes the snapshot nor a reader of the store can decrypt it.
 */
export async function addToLedger(
  encryptor: Encryptor,
  ledger: OpenLedger,
  list: LedgerList,
  key: Buffer,
  reason: string,
): Promise<OpenLedger> {
  const { count, keys } = ledger[list];
  const named = keys.length < MAX_NAMED ? [...keys, { key: await encryptName(encryptor, key), reason }] : keys;
  return { ...ledger, [list]: { count: count + 1, keys: named } };
}

export function isEncrypted(key: LedgerKey): key is { age: string } {
  return typeof key !== 'string' && 'age' in key;
}

export function hasEncryptedNames(ledger: Ledger): boolean {
  return LISTS.some((list) => ledger[list].keys.some(({ key }) => isEncrypted(key)));
}

/** The ledger with every name decrypted that the encryptor's identity can open; other names stay encrypted. */
export async function openLedger(encryptor: Encryptor, ledger: Ledger): Promise<Ledger> {
  const opened = { ...ledger };
  for (const list of LISTS) opened[list] = { ...ledger[list], keys: await openNames(encryptor, ledger[list].keys) };
  return opened;
}

export async function openNames(encryptor: Encryptor, keys: readonly NamedKey[]): Promise<NamedKey[]> {
  if (!encryptor.canOpen) return [...keys];
  const opened: NamedKey[] = [];
  for (const { key, reason } of keys) opened.push({ key: await openName(encryptor, key), reason });
  return opened;
}

/** The name of a key for the store: encrypted where the parts are. */
export async function encryptName(encryptor: Encryptor, key: Buffer): Promise<LedgerKey> {
  if (encryptor.suffix === '') return toText(key);
  return { age: Buffer.from(await encryptor.encrypt(key)).toString('base64') };
}

async function openName(encryptor: Encryptor, key: LedgerKey): Promise<LedgerKey> {
  if (!isEncrypted(key)) return key;
  try {
    return toText(Buffer.from(await encryptor.open(Buffer.from(key.age, 'base64'), '.age')));
  } catch (error) {
    // A name that cannot be decrypted must not hide the rest of the ledger.
    if (error instanceof AppError && (error.code === 'wrong-key' || error.code === 'damaged')) return key;
    throw error;
  }
}

/** The types of keys without a record form, except those in `skipped` (case-insensitive). */
export function refusedTypes(
  { unsupported }: Pick<ManifestSummary['ledger'], 'unsupported'>,
  skipped: readonly string[],
): string[] {
  const named = unsupported.keys.map(({ reason }) => reason.replace(/^type /, ''));
  const types = Object.keys(unsupported.types ?? {});
  const skip = new Set(skipped.map((type) => type.toLowerCase()));
  return [...new Set(types.length > 0 ? types : named)].filter((type) => !skip.has(type.toLowerCase())).sort();
}

const KEY_LENGTH = 80;

/** A name from the database, safe for a terminal: control characters escaped, and cut when it is very long. */
export function printable(name: string): string {
  const safe = oneLine(name);
  return safe.length > KEY_LENGTH ? `${safe.slice(0, KEY_LENGTH)}...` : safe;
}

/** Escapes control characters and line ends. */
function oneLine(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => JSON.stringify(char).slice(1, -1).replace(/\p{C}/gu, '?'));
}

/** A text of the database on one line; bytes that are not UTF-8 as `base64:...`. */
export function wholeText(text: Text): string {
  return typeof text === 'string' ? oneLine(text) : `base64:${text.b}`;
}

/** A key of a manifest's ledger; `(encrypted)` where its name could not be decrypted. */
export function keyName(key: LedgerKey): string {
  if (isEncrypted(key)) return '(encrypted)';
  return typeof key === 'string' ? printable(key) : printable(`base64:${key.b}`);
}

/** How to read encrypted names; null when none of the names is encrypted. */
export function namesHint(keys: readonly NamedKey[]): string | null {
  if (!keys.some(({ key }) => isEncrypted(key))) return null;
  return 'Names of keys are encrypted: set BACKUP_AGE_IDENTITY to the secret key of one of the recipients to read them.';
}

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
