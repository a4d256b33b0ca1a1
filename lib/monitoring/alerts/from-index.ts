import type { ObjectStore } from '../../ports/store.js';
import { isOver } from '../../runs/model.js';
import { runsOf } from '../../runs/recent.js';
import { isSameRecipe, loadIndexModels, modelsAt, recipeWords } from '../../soulcaster/index-models.js';
import type { Facts } from '../facts.js';
import type { AlertSource, Condition, ConfiguredIndex } from './condition.js';

export const INDEX_ALERTS: AlertSource<'index-model-differs'> = {
  codes: { 'index-model-differs': 'facts' },
  find: (facts, { index }) => indexConditions(facts, index ?? null),
};

/** Vectors of different models cannot be compared, and an index does not record the model of its vectors. */
function indexConditions(
  { models, runs }: Pick<Facts, 'models' | 'runs'>,
  configured: ConfiguredIndex | null,
): Condition<'index-model-differs'>[] {
  if (configured === null) return [];
  const known = modelsAt(models, configured.place);
  const others = known.filter((one) => one.mixed || !isSameRecipe(one, configured.recipe));
  const [first] = others;
  if (first === undefined) return [];
  const isOpen = first.mixed && runs.some((run) => run.id === first.run && !isOver(run));
  const are = first.mixed
    ? `may be of two models: run ${first.run}, which replaces them with vectors of ${recipeWords(first)}, ${isOpen ? 'is in progress' : 'has not succeeded'}`
    : `were made with ${recipeWords(first)}, and ${recipeWords(configured.recipe)} is configured`;
  return [
    {
      code: 'index-model-differs',
      subject: 'index',
      message: `The vectors of ${others.length} of ${known.length} namespaces ${are}: mode missing is refused there, and search finds the wrong neighbours.`,
      hint: isOpen
        ? `Wait for the run: \`npx soulcaster-backup run ${first.run} --env-file .env\` shows its progress.`
        : first.mixed
          ? `Finish the run: \`npx soulcaster-backup reindex --retry ${first.run} --env-file .env\`.`
          : 'Set EMBEDDING_MODEL, EMBEDDING_DIMENSIONS and CLUSTERING_TRUNCATE_BODY_CHARS to what the application uses. To change its model, build the new vectors beside the old: `npx soulcaster-backup reindex --all --into SUFFIX --env-file .env`. If these projects are gone: `npx soulcaster-backup reindex --all --mode missing --env-file .env` removes their records.',
    },
  ];
}

/** The same for who has no facts: reads the record of the index, and the runs that write into it. */
export async function loadIndexCondition(
  store: ObjectStore,
  configured: ConfiguredIndex | null,
): Promise<Condition | null> {
  const models = await loadIndexModels(store);
  const writing = models.namespaces.filter(({ mixed }) => mixed).map(({ run }) => run);
  const runs = await runsOf(store, [...new Set(writing)]);
  return indexConditions({ models, runs }, configured)[0] ?? null;
}
