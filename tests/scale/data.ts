import { environment } from '../../lib/app/config.js';

/** SCALE_KEYS sets how many keys there are; the two giants come on top. */
export const KEYS = Number(environment()['SCALE_KEYS'] ?? '1000000');
/** What memory is compared with: it must hardly grow from here to KEYS. */
export const FEW_KEYS = Math.min(KEYS, 100_000);

const GIANTS = { 'hash-fields': 2 * KEYS, 'string-bytes': 60 * KEYS };

/** Two giants, and of the keys a tenth Soulcaster's, a hundredth of all types and sizes and oddities, the rest small. */
export function dataOf(keys: number): Readonly<Record<string, number>> {
  const items = 1500;
  const projects = Math.round((keys * 0.1) / (items * 2.28));
  const mixed = Math.round(keys * 0.01);
  return { projects, items, mixed, small: Math.round(keys * 0.89), ...GIANTS };
}

/** Tells on the standard error how far a test of several minutes is. */
export function teller(): (stage: string, facts: string) => void {
  const began = performance.now();
  return (stage, facts) => {
    process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${stage}: ${facts}\n`);
  };
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
