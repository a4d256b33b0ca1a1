import type { ProjectRow } from '../api/types.js';
import { count, percent } from './format.js';
import type { Tone } from './tone.js';

/** How many of the items have a vector. Vectors without an item are as wrong as items without one; null is not known. */
export function coverageOf({ items, pending, vectors }: Pick<ProjectRow, 'items' | 'pending' | 'vectors'>): {
  readonly tone: Tone | null;
  readonly words: string;
} {
  if (items === null || vectors === null) return { tone: null, words: 'not known' };
  if (items === 0 && vectors === 0) return { tone: 'plain', words: 'empty' };
  if (vectors > items) return { tone: 'warn', words: `${count(vectors - items)} too many` };
  const waiting = (pending ?? 0) > 0 ? `, ${count(pending ?? 0)} pending` : '';
  return { tone: vectors === items ? 'good' : 'warn', words: `${percent(vectors, items)}${waiting}` };
}
