import { AppError } from '../errors.js';
import type { RunRecord } from '../runs/model.js';
import { isSameRecipe, TEXT_RULE } from '../soulcaster/index-models.js';
import { inputOf } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import type { ReindexInput } from './model.js';

/** What one run works with: its index, its embedder, its dimension and its text limit. */
export interface RunContext {
  readonly ports: ReindexPorts;
  readonly settings: ReindexSettings;
}

/**
 * The index and the embedder of a run, by its input: a variable that changes during the run must not mix vectors of two
 * models. Throws `vector-mismatch` for a run of a version that makes texts by another rule.
 */
export function contextOfRun(
  ports: ReindexPorts,
  settings: ReindexSettings,
  run: Pick<RunRecord, 'input'>,
): RunContext {
  return contextFor(ports, settings, inputOf(run));
}

export function contextFor(
  ports: ReindexPorts,
  settings: ReindexSettings,
  { beside, recipe: given }: Pick<ReindexInput, 'beside' | 'recipe'>,
): RunContext {
  const recipe = given ?? ports.recipe;
  if (recipe.textRule !== TEXT_RULE) {
    throw new AppError(
      'vector-mismatch',
      'The run was started by a version that builds the texts of items differently',
      {
        hint: 'Start the re-index again. The index was left unchanged.',
      },
    );
  }
  const { model, dimensions } = ports.embedder;
  const isOwn = isSameRecipe({ ...recipe, model, dimensions }, recipe);
  return {
    ports: {
      ...ports,
      recipe,
      embedder: isOwn ? ports.embedder : ports.elsewhere.embedderOf(recipe),
      vectors: beside === null ? ports.vectors : ports.elsewhere.indexOf(beside),
    },
    settings: { ...settings, dimensions: recipe.dimensions, cutCodePoints: recipe.cutCodePoints },
  };
}
