import { AppError } from '../errors.js';
import { runDirectly } from '../runs/model.js';
import { type NamespaceModel, type Recipe, recipeWords } from '../soulcaster/index-models.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { readItems } from './items.js';
import { type Beside, placeOptions, reindexCommand } from './model.js';
import { type Embedded, type Embedding, isLimitError, openEmbedding } from './vectors.js';

type Settings = Pick<ReindexSettings, 'cutCodePoints' | 'dimensions' | 'patience'>;

/** How many items are embedded again to find the model of their vectors. */
const SAMPLE = 10;
/** Lowest cosine of two vectors of one text by one model; an index may store shortened numbers. */
const LEAST_COSINE = 0.99;

/**
 * Finds whether the vectors of a namespace without a record are of the current model: some items are embedded and compared
 * with their vectors. An item whose title or date differs from its vector's was edited since and is ignored. `other`: at
 * least a third of the sample does not agree.
 */
export async function sampleModel(
  ports: Pick<ReindexPorts, 'clock' | 'embedder' | 'redis' | 'vectors'>,
  settings: Settings,
  project: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<'same' | 'other' | 'unknown'> {
  const step = Math.max(1, Math.floor(ids.length / SAMPLE));
  const chosen = ids.filter((_, at) => at % step === 0).slice(0, SAMPLE);
  if (chosen.length === 0) return 'unknown';
  const [items, stored] = await Promise.all([
    readItems(
      ports.redis,
      project,
      chosen.map((id) => [id, '']),
      settings.cutCodePoints,
    ),
    ports.vectors.fetch(project, chosen),
  ]);
  const pairs = items.flatMap((item, at) => {
    const vector = stored[at];
    if (item === 'gone' || 'skip' in item || vector == null) return [];
    const { title, created_at: createdAt } = item.metadata;
    const isEdited = vector.metadata['title'] !== title || vector.metadata['created_at'] !== createdAt;
    return isEdited ? [] : [{ text: item.text, values: vector.values }];
  });
  if (pairs.length === 0) return 'unknown';
  const vectors = await embedSample(openEmbedding(ports, settings, signal, runDirectly), pairs);
  const compared = vectors.flatMap((vector, at) =>
    typeof vector === 'string' ? [] : [cosine(vector, pairs[at]?.values ?? new Float32Array()) >= LEAST_COSINE],
  );
  if (compared.length === 0) return 'unknown';
  return 3 * compared.filter((agrees) => !agrees).length >= compared.length ? 'other' : 'same';
}

/** Embeds as many texts as the limits allow now, and at least one: a sample that had to wait would start again. */
async function embedSample(embedding: Embedding, pairs: readonly { readonly text: string }[]): Promise<Embedded[]> {
  const vectors: Embedded[] = [];
  while (vectors.length < pairs.length) {
    const texts = pairs.slice(vectors.length, vectors.length + embedding.maxTexts()).map(({ text }) => text);
    try {
      vectors.push(...(await embedding.embed(texts)));
    } catch (error) {
      if (!isLimitError(error)) throw error;
      if (texts.length > 1) continue;
      if (vectors.every((vector) => typeof vector === 'string')) throw error;
      break;
    }
  }
  return vectors;
}

/** For mode `missing`, which might add vectors of another model, or of other texts, to the existing ones. */
export function unknownModelError(project: string, recipe: Recipe, beside: Beside | null): AppError {
  const message =
    'It is not known which model made the existing vectors: no record names it, and every item was edited since it was embedded';
  return mixtureError(message, fullReindexCommand(project, recipe, beside), 'Mode in-place keeps search working.');
}

/** Like `unknownModelError`, where the model is known, or known to be another one. */
export function otherModelError(
  project: string,
  known: NamespaceModel | null,
  recipe: Recipe,
  beside: Beside | null,
): AppError {
  const made = known === null ? 'another model' : recipeWords(known);
  const message = `The existing vectors were made with ${made}, but ${recipeWords(recipe)} is ${beside === null ? 'configured' : 'requested'}`;
  const inFull = fullReindexCommand(project, recipe, beside);
  if (beside === null) return mixtureError(message, inFull, 'Or set EMBEDDING_MODEL back.');
  const asBefore =
    known === null
      ? 'Or name the model of the existing vectors with --model.'
      : `Or continue with theirs: \`${reindexCommand({ all: true }, placeOptions(beside, known.model), '--mode missing')}\`.`;
  return mixtureError(message, inFull, asBefore);
}

/** Vectors that are built beside the index are those of all projects. */
function fullReindexCommand(project: string, { model }: Recipe, beside: Beside | null): string {
  if (beside !== null) return reindexCommand({ all: true }, placeOptions(beside, model));
  return reindexCommand(project === '' ? { all: true } : { project });
}

function mixtureError(message: string, command: string, otherwise: string): AppError {
  return new AppError('vector-mismatch', message, {
    hint: `Vectors of two models cannot be compared. Nothing was changed. Re-index in full: \`${command}\`. ${otherwise}`,
  });
}

/** For vectors of length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
