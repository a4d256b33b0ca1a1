import { AppError } from '../errors.js';
import type { Encryptor } from '../ports/encryptor.js';
import type { Ledger, LedgerKey, NamedKey, OpenLedger } from './manifest.js';
import type { ManifestSummary } from './summary.js';
import { toText } from './text.js';

/** More than this many are counted, but not named: the checkpoint must stay small. */
const NAMED = 1000;

const LISTS = ['changedMeanwhile', 'unsupported', 'failed'] as const;
type Tallied = (typeof LISTS)[number];

/**
 * The ledger with one more key in one of its lists. Its name is sealed as the parts are: the function that takes the
 * snapshot, and whoever reads the store, can then not read it back.
 */
export async function addToLedger(
  encryptor: Encryptor,
  ledger: OpenLedger,
  list: Tallied,
  key: Buffer,
  reason: string,
): Promise<OpenLedger> {
  const { count, keys } = ledger[list];
  const named = keys.length < NAMED ? [...keys, { key: await encryptName(encryptor, key), reason }] : keys;
  return { ...ledger, [list]: { count: count + 1, keys: named } };
}

export function isEncrypted(key: LedgerKey): key is { age: string } {
  return typeof key !== 'string' && 'age' in key;
}

export function hasEncryptedNames(ledger: Ledger): boolean {
  return LISTS.some((list) => ledger[list].keys.some(({ key }) => isEncrypted(key)));
}

/** The ledger with every name opened that the encryptor's identity fits; the others stay as they are. */
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

/** The name of a key as it may stand in the store: sealed where the parts are. */
export async function encryptName(encryptor: Encryptor, key: Buffer): Promise<LedgerKey> {
  if (encryptor.suffix === '') return toText(key);
  return { age: Buffer.from(await encryptor.encrypt(key)).toString('base64') };
}

async function openName(encryptor: Encryptor, key: LedgerKey): Promise<LedgerKey> {
  if (!isEncrypted(key)) return key;
  try {
    return toText(Buffer.from(await encryptor.open(Buffer.from(key.age, 'base64'), '.age')));
  } catch (error) {
    // A name that cannot be read must not hide what else the ledger says.
    if (error instanceof AppError && (error.code === 'wrong-key' || error.code === 'damaged')) return key;
    throw error;
  }
}

/** The types of the keys that have no record form, but for those that the operator has named (in any case of letters). */
export function refusedTypes(
  { unsupported }: Pick<ManifestSummary['ledger'], 'unsupported'>,
  skipped: readonly string[],
): string[] {
  const named = unsupported.keys.map(({ reason }) => reason.replace(/^type /, ''));
  const types = Object.keys(unsupported.types ?? {});
  const skip = new Set(skipped.map((type) => type.toLowerCase()));
  return [...new Set(types.length > 0 ? types : named)].filter((type) => !skip.has(type.toLowerCase())).sort();
}
