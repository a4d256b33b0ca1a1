import { bytes, count, dollars, duration, ratio } from '../../lib/cli/output/format.js';
import { sizesOf } from '../../lib/snapshot/manifest.js';
import { countTable, facts } from '../../lib/cli/output/table.js';
import type { Night } from './nightly.js';

/** How many families are listed; the others are counted together. */
const NAMED = 12;

/** Renders the figures of the nightly backup. */
export function demoSummary({ manifest, milliseconds }: Night): string {
  const { counts, parts, spent } = manifest;
  const { plain, stored } = sizesOf(manifest);
  const same = (name: string): string => name;
  return [
    countTable('type', counts.byType, same),
    countTable('family', largest(counts.byFamily), same),
    facts([
      ['keys', count(counts.keys)],
      ['parts', count(parts.length)],
      ['bytes', `${bytes(plain)} plain, ${bytes(stored)} stored`],
      ['compression', ratio(plain, stored)],
      ['commands', `${count(spent.commands)} in ${count(spent.requests)} requests`],
      ['commands a key', (spent.commands / Math.max(counts.keys, 1)).toFixed(2)],
      ['price', `${dollars(spent.estimatedUsd)} a night, ${dollars(spent.estimatedUsd * 30)} a month`],
      ['time', duration(milliseconds)],
    ]),
  ].join('\n\n');
}

/** The largest families by name, the others as one. */
function largest(counts: Readonly<Record<string, number>>): Record<string, number> {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const others = sorted.slice(NAMED).reduce((sum, [, keys]) => sum + keys, 0);
  const rest = sorted.length - NAMED;
  return { ...Object.fromEntries(sorted.slice(0, NAMED)), ...(rest > 0 ? { [`${rest} other families`]: others } : {}) };
}
