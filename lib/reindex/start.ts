import type { z } from 'zod';
import { AppError } from '../errors.js';
import type { Engine, Started } from '../runs/engine.js';
import { isOver } from '../runs/model.js';
import { loadRun } from '../runs/records.js';
import { isSameRecipe, recipeWords } from '../soulcaster/index-models.js';
import { firstCheckpoint, inputOf } from './checkpoint.js';
import { portsFor, type ReindexPorts } from './context.js';
import { reindexCommand, type ReindexInput, reindexInputSchema } from './model.js';
import { assertIndexFits, assertScopeExists } from './preflight.js';

/** The lease of dry runs, which need not wait for a re-index. */
export const REINDEX_DRY_RUN_LEASE = 'reindex-dry-run';

/** A request for a re-index; omitted fields get the defaults of the schema. */
export type ReindexRequest = z.input<typeof reindexInputSchema>;

/** Overrides of the configured model, for vectors that are built beside. */
export interface Wanted {
  readonly model?: string | null;
  readonly dimensions?: number | null;
}

/** A checked request; nothing has been changed yet. */
interface PreparedReindex {
  readonly input: ReindexInput;
  readonly now: number;
}

/**
 * Checks what can be checked before the run. Throws `not-found` for a project that is not in the database, `vector-mismatch`
 * for an index of another dimension or metric, `usage` for contradictory options, and the errors of the ports.
 */
export async function prepareReindex(
  ports: ReindexPorts,
  request: ReindexRequest,
  { dimensions, model }: Wanted = {},
): Promise<PreparedReindex> {
  const checked = reindexInputSchema.parse(request);
  assertConsistent(checked, model != null || dimensions != null);
  const wanted = { ...(model == null ? {} : { model }), ...(dimensions == null ? {} : { dimensions }) };
  const recipe = checked.recipe ?? { ...ports.recipe, ...wanted };
  if (checked.beside === null && !isSameRecipe(recipe, ports.recipe))
    throw new AppError(
      'vector-mismatch',
      `The run made vectors with ${recipeWords(recipe)}, but ${recipeWords(ports.recipe)} is configured now`,
      {
        hint: `Restore the earlier settings to finish the rest, or re-index in full: \`${reindexCommand({ all: true })}\`.`,
      },
    );
  const input = { ...checked, recipe };
  const own = portsFor(ports, input);
  if (isSamePlace(own, ports) && input.beside !== null && !input.dropOld)
    throw new AppError('usage', 'The new vectors would be built where the application searches', {
      hint: 'Choose another suffix than VECTOR_NAMESPACE_SUFFIX, or set UPSTASH_VECTOR_NEXT_REST_URL to another index.',
    });
  await assertScopeExists(ports, input.scope);
  await assertIndexFits(own, recipe.dimensions);
  return { input, now: ports.clock.now() };
}

/** The input of a run that finishes another one. Throws `not-found`, and `usage` if there is nothing to retry. */
export async function retryInput(
  { store }: Pick<ReindexPorts, 'store'>,
  id: string,
  trigger: ReindexInput['trigger'],
): Promise<ReindexInput> {
  const { record } = await loadRun(store, id);
  if (record.kind !== 'reindex') throw cannotRetryError(`Run ${id} is not a re-index but a ${record.kind} run`);
  if (!isOver(record)) throw cannotRetryError(`Run ${id} is not over yet`);
  if (record.state === 'succeeded') throw cannotRetryError(`Run ${id} succeeded, so there is nothing to retry`);
  const before = inputOf(record);
  if (before.dryRun || before.dropOld) throw cannotRetryError(`Run ${id} embedded nothing`);
  // Not `flush` again: it would clear what the run has embedded.
  return { ...before, mode: before.mode === 'flush' ? 'in-place' : before.mode, retry: id, trigger };
}

/** A dry run changes nothing, so it neither waits for other runs nor makes them wait. */
export function startReindex(engine: Engine, { input, now }: PreparedReindex): Promise<Started> {
  return engine.start({
    kind: 'reindex',
    ...(input.dryRun ? { lease: REINDEX_DRY_RUN_LEASE } : {}),
    input,
    checkpoint: firstCheckpoint(now),
    progress: { done: 0, total: null, unit: 'items', bytes: 0 },
  });
}

function isSamePlace({ vectors: a }: ReindexPorts, { vectors: b }: ReindexPorts): boolean {
  return a.place.index === b.place.index && a.place.suffix === b.place.suffix;
}

function assertConsistent({ beside, dropOld, mode, scope }: ReindexInput, hasOwnModel: boolean): void {
  if ('items' in scope && mode === 'flush') {
    throw new AppError(
      'usage',
      'Mode flush clears all vectors of a project, but only some items would be embedded again',
      {
        hint: 'Re-index the items in mode in-place, or the whole project in mode flush.',
      },
    );
  }
  if (beside !== null && !('all' in scope)) {
    throw new AppError('usage', 'An index that is built beside the current one must hold all projects', {
      hint: 'Add --all.',
    });
  }
  if (hasOwnModel && beside === null) {
    throw new AppError(
      'usage',
      'Only vectors that are built beside the current ones can have another model than the configured one',
      {
        hint: 'Add --into SUFFIX or --next. The model of the current vectors is set by EMBEDDING_MODEL.',
      },
    );
  }
  if (dropOld && beside === null) {
    throw new AppError('usage', 'It is not clear which vectors replace the old ones', {
      hint: 'Name them as they were built: --into SUFFIX, or --next.',
    });
  }
}

function cannotRetryError(message: string): AppError {
  return new AppError('usage', message, { hint: 'Give the id of a re-index that failed or was incomplete.' });
}
