export { keyName, namesHint, printable, wholeText } from '../../snapshot/key-names.js';
export { bytes, count, counted, dollars, duration } from '../../formats.js';

/** How many times smaller the stored bytes are: `6.2 : 1`. */
export function ratio(plain: number, stored: number): string {
  return stored === 0 ? 'none' : `${(plain / stored).toFixed(1)} : 1`;
}
