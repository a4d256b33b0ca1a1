import type { VectorIndex } from '../ports/vector-index.js';
import { canBeProject } from './keys.js';
import { projectsIn, type ReindexScope } from './model.js';

/** Vectors that are listed, or removed, with one request. */
const PAGE = 1000;

/** Ids of a namespace, or those of some that are in it. */
export async function idsIn(
  index: VectorIndex,
  namespace: string,
  only: ReadonlySet<string> | null,
): Promise<Set<string>> {
  if (only === null) return idsOf(index, namespace);
  const ids = new Set<string>();
  for (const page of pages([...only])) {
    for (const found of await index.fetch(namespace, page)) if (found !== null) ids.add(found.id);
  }
  return ids;
}

/**
 * Ids of a namespace. A walk goes by offset (upstash.com/docs/vector/api/endpoints/range): whoever removes vectors in
 * the middle of it makes it miss others, so that it reaches its end first.
 */
export async function idsOf(index: VectorIndex, namespace: string): Promise<Set<string>> {
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
 * The namespaces that are to be dealt with although the database may know nothing of them: that of the project, or all
 * with anything in them that could be a project's, whose items may all be gone. `beside`: what names of namespaces end
 * in that are built beside these.
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
