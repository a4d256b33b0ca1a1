import type { z } from 'zod';
import { AppError } from '../errors.js';
import type { Engine, Started } from '../runs/engine.js';
import { isOver } from '../runs/ending.js';
import { loadRun } from '../runs/records.js';
import { isSameRecipe, recipeWords, type Recipe } from '../soulcaster/index-models.js';
import { firstCheckpoint, inputOf } from './checkpoint.js';
import { reindexCommand } from './commands.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { reindexInputSchema, type ReindexInput } from './model.js';
import { placeFor } from './place.js';
import { demandFit, demandScope } from './preflight.js';

/** Of dry runs, which need not wait for a re-index. */
export const REINDEX_DRY_RUN_LEASE = 'reindex-dry-run';

/** A re-index as it is asked for: what is left out is as the schema has it. */
export type ReindexRequest = z.input<typeof reindexInputSchema>;

/** What takes the place of what is configured, for vectors that are built beside. */
export interface Wanted {
  readonly model?: string | null;
  readonly dimensions?: number | null;
}

/** A re-index that may begin: nothing has been changed yet. */
interface PreparedReindex {
  readonly input: ReindexInput;
  readonly now: number;
}

/**
 * Checks what can be checked at once. Throws `not-found` for a project that is not in the database, `vector-mismatch`
 * for an index of another dimension or metric, `usage` for what does not go together, and what the ports throw.
 */
export async function prepareReindex(
  ports: ReindexPorts,
  request: ReindexRequest,
  { dimensions, model }: Wanted = {},
): Promise<PreparedReindex> {
  const asked = reindexInputSchema.parse(request);
  demandSense(asked, model != null || dimensions != null);
  const wanted = { ...(model == null ? {} : { model }), ...(dimensions == null ? {} : { dimensions }) };
  const recipe = asked.recipe ?? { ...ports.recipe, ...wanted };
  if (asked.beside === null && !isSameRecipe(recipe, ports.recipe)) throw changedSince(recipe, ports.recipe);
  const input = { ...asked, recipe };
  const place = placeFor(ports, NOT_USED, input);
  if (isSamePlace(place.ports, ports) && input.beside !== null && !input.dropOld) throw sameplace();
  await demandScope(ports, input.scope);
  await demandFit(place.ports, place.settings.dimensions);
  return { input, now: ports.clock.now() };
}

/** The input of a run that does what another one has left. Throws `not-found`, and `usage` for one that is not over. */
export async function retryOf(
  { store }: Pick<ReindexPorts, 'store'>,
  id: string,
  trigger: ReindexInput['trigger'],
): Promise<ReindexInput> {
  const { record } = await loadRun(store, id);
  if (record.kind !== 'reindex') throw noRetry(`Run ${id} is a ${record.kind}, and no re-index`);
  if (!isOver(record)) throw noRetry(`Run ${id} is not over yet`);
  if (record.state === 'succeeded') throw noRetry(`Run ${id} has left nothing to do`);
  const before = inputOf(record);
  if (before.dryRun || before.dropOld) throw noRetry(`Run ${id} embedded nothing`);
  // What was cleared stays cleared: what has been embedded since is not to go.
  return { ...before, mode: before.mode === 'flush' ? 'in-place' : before.mode, retry: id, trigger };
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

/** Only what a run's recipe says is read of the settings before it begins. */
const NOT_USED: ReindexSettings = {
  dimensions: 0,
  cutCodePoints: 0,
  inline: 0,
  parallelism: 1,
  updatesPerDay: null,
  patience: false,
};

function isSamePlace({ vectors: a }: ReindexPorts, { vectors: b }: ReindexPorts): boolean {
  return a.place.index === b.place.index && a.place.suffix === b.place.suffix;
}

function demandSense({ beside, dropOld, mode, scope }: ReindexInput, hasOwnModel: boolean): void {
  if ('items' in scope && mode === 'flush') {
    throw new AppError('usage', 'Mode flush clears all vectors of a project, and items alone would be embedded', {
      hint: 'Re-index the items in mode in-place, or the whole project in mode flush.',
    });
  }
  if (beside !== null && !('all' in scope)) {
    throw new AppError('usage', 'What is built beside the index holds all projects', { hint: 'Give --all with it.' });
  }
  if (hasOwnModel && beside === null) {
    throw new AppError('usage', 'Another model than the configured one is only for what is built beside the index', {
      hint: 'Give --into SUFFIX or --next with it; for the index itself EMBEDDING_MODEL says the model.',
    });
  }
  if (dropOld && beside === null) {
    throw new AppError('usage', 'It is not clear what takes the place of the old vectors', {
      hint: 'Name it as it was built: --into SUFFIX, or --next.',
    });
  }
}

function sameplace(): AppError {
  return new AppError('usage', 'What is to be built beside the index is where the application searches', {
    hint: 'Give another suffix than VECTOR_NAMESPACE_SUFFIX, or another index in UPSTASH_VECTOR_NEXT_REST_URL.',
  });
}

function changedSince(then: Recipe, now: Recipe): AppError {
  return new AppError(
    'vector-mismatch',
    `The run made vectors with ${recipeWords(then)}, and ${recipeWords(now)} is configured now`,
    {
      hint: `Set the variables back to do the rest, or re-index in full: \`${reindexCommand({ all: true })}\`.`,
    },
  );
}

function noRetry(message: string): AppError {
  return new AppError('usage', message, { hint: 'Give the id of a re-index that failed or was incomplete.' });
}
