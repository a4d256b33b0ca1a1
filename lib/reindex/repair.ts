import type { RedisPort } from '../ports/redis.js';
import { runDirectly } from '../runs/model.js';
import { batchSize, type ReindexPorts, type StepContext } from './context.js';
import { itemKey, runCommands, textOf } from './database.js';
import { embedItems } from './embed-task.js';
import type { FoundProject } from './find-step.js';
import { readClusters } from './lists.js';
import { addSpent, type ItemRef, NOTHING_SPENT, type SkipReason, type Spent } from './model.js';
import { pages, removeIds } from './namespace.js';

interface RepairResult {
  /** Items that have a vector now. */
  readonly embedded: readonly string[];
  readonly gone: readonly string[];
  readonly skipped: readonly (readonly [id: string, reason: SkipReason])[];
  readonly spent: Spent;
}

/** Embeds items that the proof found without a vector: they were created after the last check. */
export async function embedMissing(
  { ports, settings, attempt }: StepContext,
  project: string,
  ids: readonly string[],
  { clusters, items }: FoundProject,
): Promise<RepairResult> {
  const repaired = { embedded: [] as string[], gone: [] as string[], skipped: [] as [string, SkipReason][] };
  if (ids.length === 0) return { ...repaired, spent: NOTHING_SPENT };
  const { clusterOf } = await readClusters(ports.redis, project, clusters, items);
  let spent = NOTHING_SPENT;
  const refs = await findWithoutVector(ports, project, ids);
  for (const page of pages(refs, batchSize(ports.embedder, settings))) {
    const batch = page.map((id): ItemRef => [id, clusterOf.get(id) ?? '']);
    const work = { ports, settings, project, signal: attempt.signal, turn: runDirectly };
    const { prints, embedding } = await embedItems(work, batch);
    spent = addSpent(spent, embedding.spent());
    for (const [at, id] of page.entries()) {
      const print = prints[at] ?? null;
      if (print === null) repaired.gone.push(id);
      else if (typeof print === 'string') repaired.embedded.push(id);
      else repaired.skipped.push([id, print[1]]);
    }
  }
  return { ...repaired, spent };
}

/** A walk during concurrent writes may have missed existing vectors. */
async function findWithoutVector(
  { vectors }: ReindexPorts,
  project: string,
  ids: readonly string[],
): Promise<string[]> {
  const missing: string[] = [];
  for (const page of pages(ids, 100)) {
    const stored = await vectors.fetch(project, page);
    missing.push(...page.filter((_, at) => stored[at] == null));
  }
  return missing;
}

/**
 * Removes the vectors of ids that are not items in the database now (`strays`). Ids of items created since the last check
 * are returned as `created`. `gone`: ids whose key is known to be missing.
 */
export async function removeStrays(
  { redis, vectors }: ReindexPorts,
  project: string,
  ids: readonly string[],
  gone: ReadonlySet<string>,
  mayRemove: boolean,
): Promise<{ readonly strays: readonly string[]; readonly created: readonly string[] }> {
  const unclear = ids.filter((id) => !gone.has(id));
  const types = await runCommands(
    redis,
    unclear.map((id) => ['TYPE', itemKey(project, id)]),
  );
  const created = new Set(unclear.filter((_, at) => textOf(types[at]) === 'hash'));
  const strays = ids.filter((id) => !created.has(id));
  if (mayRemove) await removeIds(vectors, project, strays);
  return { strays, created: [...created] };
}

/** The ids whose key does not exist in the database now. */
export async function findGone(redis: RedisPort, project: string, ids: readonly string[]): Promise<string[]> {
  const gone: string[] = [];
  for (const page of pages(ids)) {
    const keys = page.map((id) => itemKey(project, id));
    // Usually none is gone, which one command shows for all of them.
    const [there] = await runCommands(redis, [['EXISTS', ...keys]]);
    if (there === keys.length) continue;
    const each = await runCommands(
      redis,
      keys.map((key) => ['EXISTS', key]),
    );
    gone.push(...page.filter((_, at) => each[at] === 0));
  }
  return gone;
}
