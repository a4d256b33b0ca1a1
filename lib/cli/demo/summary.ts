import { bytes, count, dollars, duration, ratio } from '../output/format.js';
import { sizesOf } from '../output/summary.js';
import { countTable, facts } from '../output/table.js';
import type { Night } from './nightly.js';

/** What the night came to. */
export function demoSummary({ manifest, milliseconds }: Night): string {
  const { counts, parts, spent } = manifest;
  const { plain, stored } = sizesOf(manifest);
  const same = (name: string): string => name;
  return [
    countTable('type', counts.byType, same),
    countTable('family', counts.byFamily, same),
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
