import type { Engine, Started } from '../runs/engine.js';
import { firstCheckpoint } from './checkpoint.js';
import type { ReindexPorts } from './context.js';
import type { ReindexInput } from './model.js';
import { demandFit, demandScope } from './preflight.js';

/** Of dry runs, which need not wait for a re-index. */
export const REINDEX_DRY_RUN_LEASE = 'reindex-dry-run';

export type ReindexStartPorts = Pick<ReindexPorts, 'clock' | 'embedder' | 'redis' | 'vectors'>;

/** A re-index that may begin: nothing has been changed yet. */
export interface PreparedReindex {
  readonly input: ReindexInput;
  readonly now: number;
}

/**
 * Checks what can be checked at once. Throws `not-found` for a project that is not in the database, `vector-mismatch`
 * for an index of another dimension or metric, and what the ports throw.
 */
export async function prepareReindex(ports: ReindexStartPorts, request: ReindexInput): Promise<PreparedReindex> {
  await demandScope(ports, request.scope);
  await demandFit(ports, ports.embedder.dimensions);
  return { input: request, now: ports.clock.now() };
}

/** A dry run changes nothing, so that it need not wait for anybody, nor anybody for it. */
export function startReindex(engine: Engine, { input, now }: PreparedReindex): Promise<Started> {
  return engine.start({
    kind: 'reindex',
    ...(input.dryRun ? { lease: REINDEX_DRY_RUN_LEASE } : {}),
    input,
    checkpoint: firstCheckpoint(now),
    progress: { done: 0, total: null, unit: 'items', bytes: 0 },
  });
}
