import type { Text } from './text.js';

/** Entries of a selection of keys, as stored or as given. An empty list restricts nothing. */
interface Entries {
  readonly projects: readonly string[];
  readonly families: readonly string[];
  readonly matches: readonly string[];
  readonly keys: readonly Text[];
}

/** The selection in words: `project a, families job and job-logs, keys matching feedback:*`; `everything` for all. */
export function selectionWords({ projects, families, matches, keys }: Entries): string {
  const kinds = [
    listWords('project', 'projects', projects),
    listWords('family', 'families', families),
    listWords('keys matching', 'keys matching', matches),
    listWords(
      'key',
      'keys',
      keys.map((key) => (typeof key === 'string' ? key : `base64:${key.b}`)),
    ),
  ];
  return kinds.filter((kind) => kind !== '').join(', ') || 'everything';
}

/** The first three entries: `project p`, `keys a, b, c and 2 more`; empty for an empty list. */
export function listWords(one: string, many: string, entries: readonly string[]): string {
  if (entries.length === 0) return '';
  const named = entries.slice(0, 3);
  const more = entries.length > named.length ? ` and ${entries.length - named.length} more` : '';
  return `${entries.length === 1 ? one : many} ${named.join(more === '' ? ' and ' : ', ')}${more}`;
}
