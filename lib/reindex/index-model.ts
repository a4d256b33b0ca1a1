import { AppError } from '../errors.js';
import { alone } from '../runs/model.js';
import { recipeWords, type NamespaceModel, type Recipe } from '../soulcaster/index-models.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { isTooMany, openEmbedding, type Embedded, type Embedding } from './embed/vectors.js';
import { readItems } from './items.js';
import { placeOptions, reindexCommand } from './commands.js';
import type { Beside } from './model.js';

type Settings = Pick<ReindexSettings, 'cutCodePoints' | 'dimensions' | 'patience'>;

/** This many items are embedded again to see what model their vectors are of. */
const SAMPLE = 10;
/** Two vectors of one text by one model; an index may keep shortened numbers. */
const LEAST_COSINE = 0.99;

/**
 * What model the vectors of a namespace are of, where no record says: some items are embedded and compared with their
 * vectors. An item whose title or date is not that of its vector was edited since, and says nothing. `other`: at least a
 * third of the sample does not agree.
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
  const vectors = await embedSome(openEmbedding(ports, settings, signal, alone), pairs);
  const compared = vectors.flatMap((vector, at) =>
    typeof vector === 'string' ? [] : [cosine(vector, pairs[at]?.values ?? new Float32Array()) >= LEAST_COSINE],
  );
  if (compared.length === 0) return 'unknown';
  return 3 * compared.filter((agrees) => !agrees).length >= compared.length ? 'other' : 'same';
}

/** Vectors of as many texts as the limits allow now, and of one at least: a sample that waits would begin again. */
async function embedSome(embedding: Embedding, pairs: readonly { readonly text: string }[]): Promise<Embedded[]> {
  const vectors: Embedded[] = [];
  while (vectors.length < pairs.length) {
    const texts = pairs.slice(vectors.length, vectors.length + embedding.room()).map(({ text }) => text);
    try {
      vectors.push(...(await embedding.embed(texts)));
    } catch (error) {
      if (!isTooMany(error)) throw error;
      if (texts.length > 1) continue;
      if (vectors.every((vector) => typeof vector === 'string')) throw error;
      break;
    }
  }
  return vectors;
}

/** Mode `missing` would put vectors of another model, or of other texts, beside those that are there. */
export function refuseUntold(project: string, recipe: Recipe, beside: Beside | null): AppError {
  const message =
    'It cannot be told which model made the vectors that are there: no record names it, and no item is as it was when it was embedded';
  return mixtureError(message, reindexInFull(project, recipe, beside), 'Mode in-place keeps search going.');
}

/** The same where the model is known, or known to be another one. */
export function refuseMixture(
  project: string,
  known: NamespaceModel | null,
  recipe: Recipe,
  beside: Beside | null,
): AppError {
  const are = known === null ? 'another model' : recipeWords(known);
  const message = `The vectors that are there were made with ${are}, and ${recipeWords(recipe)} is ${beside === null ? 'configured' : 'asked for'}`;
  const inFull = reindexInFull(project, recipe, beside);
  if (beside === null) return mixtureError(message, inFull, 'Or set EMBEDDING_MODEL back.');
  const asBefore =
    known === null
      ? 'Or name the model that they were made with: --model.'
      : `Or continue with theirs: \`${reindexCommand({ all: true }, placeOptions(beside, known.model), '--mode missing')}\`.`;
  return mixtureError(message, inFull, asBefore);
}

/** What is built beside holds all projects. */
function reindexInFull(project: string, { model }: Recipe, beside: Beside | null): string {
  if (beside !== null) return reindexCommand({ all: true }, placeOptions(beside, model));
  return reindexCommand(project === '' ? { all: true } : { project });
}

function mixtureError(message: string, command: string, otherwise: string): AppError {
  return new AppError('vector-mismatch', message, {
    hint: `Vectors of two models cannot be compared, and nothing was changed. Re-index in full: \`${command}\`. ${otherwise}`,
  });
}

/** Of vectors of length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
