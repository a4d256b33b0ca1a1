export { keyName, namesHint, printable, wholeText } from '../../snapshot/ledger.js';
export { bytes, count, counted, dollars, duration } from '../../formats.js';

/** The ratio of compression, such as `6.2 : 1`. */
export function ratio(plain: number, stored: number): string {
  return stored === 0 ? 'none' : `${(plain / stored).toFixed(1)} : 1`;
}
