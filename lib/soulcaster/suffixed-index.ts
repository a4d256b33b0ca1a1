import type { VectorIndex, VectorIndexInfo } from '../ports/vector-index.js';

/**
 * The namespaces of an index whose names end in a suffix, under their names without it: what is built beside others is
 * read and written as if it were alone. An empty suffix is the index as it is.
 */
export function suffixed(index: VectorIndex, suffix: string): VectorIndex {
  if (suffix === '') return index;
  const named = (namespace: string): string => `${namespace}${suffix}`;
  return {
    place: { ...index.place, suffix },
    info: async () => within(await index.info(), suffix),
    upsert: (namespace, vectors) => index.upsert(named(namespace), vectors),
    fetch: (namespace, ids) => index.fetch(named(namespace), ids),
    range: (namespace, cursor, limit) => index.range(named(namespace), cursor, limit),
    query: (namespace, values, count) => index.query(named(namespace), values, count),
    remove: (namespace, ids) => index.remove(named(namespace), ids),
  };
}

function within({ dimensions, metric, namespaces }: VectorIndexInfo, suffix: string): VectorIndexInfo {
  const own = Object.entries(namespaces).filter(([name]) => name.endsWith(suffix));
  const stripped = own.map(([name, counts]) => [name.slice(0, -suffix.length), counts] as const);
  return { dimensions, metric, namespaces: Object.fromEntries(stripped) };
}
