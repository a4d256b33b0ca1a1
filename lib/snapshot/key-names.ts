import type { Text } from '../soulcaster/text.js';
import { isEncrypted } from './ledger.js';
import type { LedgerKey, NamedKey } from './manifest.js';

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
