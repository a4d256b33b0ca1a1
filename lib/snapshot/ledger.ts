import { AppError } from '../errors.js';
import type { Encryptor } from '../ports/crypto.js';
import type { Ledger, LedgerKey, NamedKey, OpenLedger } from './manifest.js';
import type { ManifestSummary } from './summary.js';
import { toText } from './text.js';

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
