import { isEncrypted } from '../../snapshot/ledger.js';
import type { LedgerKey, NamedKey } from '../../snapshot/manifest.js';
import type { Text } from '../../soulcaster/text.js';

const KIB = 1024;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const KEY_LENGTH = 80;

/** 1234567 as `1,234,567`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** A number with its noun: `1 key`, `2 keys`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** 1536 as `1.5 KiB`. */
export function bytes(value: number): string {
  let unit = 0;
  let size = value;
  while (size >= KIB && unit < UNITS.length - 1) {
    size /= KIB;
    unit += 1;
  }
  return `${unit === 0 ? String(Math.round(size)) : size.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** 93,000 ms as `1 min 33 s`; two units at most. What is no time is `unknown`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return 'unknown';
  if (ms < 60_000) return `${ms < 10_000 ? (ms / 1000).toFixed(1) : String(Math.round(ms / 1000))} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor(ms / 1000) % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A price in US dollars, with as many places as a small one needs. */
export function dollars(usd: number): string {
  return `$${usd < 1 ? usd.toFixed(4) : usd.toFixed(2)}`;
}

/** How many times smaller the stored bytes are: `6.2 : 1`. */
export function ratio(plain: number, stored: number): string {
  return stored === 0 ? 'none' : `${(plain / stored).toFixed(1)} : 1`;
}

/** A name from the database as a terminal may show it: control characters escaped, and cut when it is very long. */
export function printable(name: string): string {
  const safe = oneLine(name);
  return safe.length > KEY_LENGTH ? `${safe.slice(0, KEY_LENGTH)}...` : safe;
}

/** The same, however long it is: no control character and no line end is left in it. */
function oneLine(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => JSON.stringify(char).slice(1, -1).replace(/\p{C}/gu, '?'));
}

/** A text of the database on one line; bytes that are no text as `base64:...`. */
export function wholeText(text: Text): string {
  return typeof text === 'string' ? oneLine(text) : `base64:${text.b}`;
}

/** A key as a manifest names it; `(encrypted)` where the name could not be opened. */
export function keyName(key: LedgerKey): string {
  if (isEncrypted(key)) return '(encrypted)';
  return typeof key === 'string' ? printable(key) : printable(`base64:${key.b}`);
}

/** How to read the names that are encrypted; null when none of these is. */
export function namesHint(keys: readonly NamedKey[]): string | null {
  if (!keys.some(({ key }) => isEncrypted(key))) return null;
  return 'Names of keys are encrypted: set BACKUP_AGE_IDENTITY to the secret key of one of the recipients to read them.';
}
