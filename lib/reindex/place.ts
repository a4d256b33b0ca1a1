import { AppError } from '../errors.js';
import type { RunRecord } from '../runs/model.js';
import { isSameRecipe, TEXT_RULE } from '../soulcaster/index-models.js';
import { inputOf } from './checkpoint.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import type { ReindexInput } from './model.js';

/** What one run works with: its index, its embedder, and its own dimension and cut. */
export interface Placed {
  readonly ports: ReindexPorts;
  readonly settings: ReindexSettings;
}

/**
 * The index and the embedder of a run, by its input: a variable that changes while it is under way must not mix vectors
 * of two models. Throws `vector-mismatch` for a run whose texts this version would make in another way.
 */
export function placeOf(ports: ReindexPorts, settings: ReindexSettings, run: Pick<RunRecord, 'input'>): Placed {
  return placeFor(ports, settings, inputOf(run));
}

export function placeFor(
  ports: ReindexPorts,
  settings: ReindexSettings,
  { beside, recipe: given }: Pick<ReindexInput, 'beside' | 'recipe'>,
): Placed {
  const recipe = given ?? ports.recipe;
  if (recipe.textRule !== TEXT_RULE) {
    throw new AppError('vector-mismatch', 'The run was started by a version that makes other texts of the items', {
      hint: 'Start the re-index again. What is in the index is left as it is.',
    });
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
