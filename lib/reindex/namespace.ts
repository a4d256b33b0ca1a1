import type { VectorIndex } from '../ports/vector-index.js';
import { canBeProject } from './database.js';
import { projectsIn, type ReindexScope } from './model.js';

/** Vectors listed or removed per request. */
const PAGE = 1000;

/** The ids of a namespace, or those ids of `only` that it contains. */
export async function findIds(
  index: VectorIndex,
  namespace: string,
  only: ReadonlySet<string> | null,
): Promise<Set<string>> {
  if (only === null) return listIds(index, namespace);
  const ids = new Set<string>();
  for (const page of pages([...only])) {
    for (const found of await index.fetch(namespace, page)) if (found !== null) ids.add(found.id);
  }
  return ids;
}

/**
 * All ids of a namespace. A walk goes by offset (upstash.com/docs/vector/api/endpoints/range), so that removing vectors
 * during the walk would make it miss others: callers remove only after it has finished.
 */
export async function listIds(index: VectorIndex, namespace: string): Promise<Set<string>> {
  const ids = new Set<string>();
  let cursor: string | null = null;
  do {
    const page = await index.range(namespace, cursor, PAGE);
    for (const { id } of page.vectors) ids.add(id);
    cursor = page.next;
  } while (cursor !== null);
  return ids;
}

export async function removeIds(index: VectorIndex, namespace: string, ids: readonly string[]): Promise<void> {
  for (const page of pages(ids)) await index.remove(namespace, page);
}

export function* pages<T>(items: readonly T[], size = PAGE): Generator<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

/**
 * The namespaces to process even if the database has no items for them: those of the scope's projects, or all non-empty
 * ones that could be a project's. `beside`: suffixes of namespaces that are built beside these.
 */
export async function namespacesOf(
  index: VectorIndex,
  scope: ReindexScope,
  beside: readonly string[],
): Promise<string[]> {
  const projects = projectsIn(scope);
  if (projects !== null) return [...projects];
  const { namespaces } = await index.info();
  return Object.entries(namespaces)
    .filter(([name, { vectors, pending }]) => vectors + pending > 0 && (name === '' || canBeProject(name)))
    .map(([name]) => name)
    .filter((name) => !beside.some((suffix) => name.endsWith(suffix)));
}
