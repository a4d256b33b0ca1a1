import { createHash } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { alone } from '../runs/model.js';
import type { ReindexPorts, ReindexSettings } from './context.js';
import { openEmbedding } from './embed/vectors.js';
import { readItems } from './items.js';
import { reindexCommand } from './commands.js';

const PREFIX = 'guard/vectors/';

const modelSchema = z.object({
  version: z.literal(1),
  /** SHA-256 of the namespace: its name is a project's id. */
  namespace: z.string(),
  model: z.string(),
  dimensions: z.number(),
  /** Code points of a body that were embedded; 0: all of them. */
  cutCodePoints: z.number(),
  /** When a re-index of the whole namespace was proven (ISO 8601), and by which run. */
  provenAt: z.string(),
  run: z.string(),
});
/** What the vectors of one namespace were made with, as a proven re-index of all of it left them. */
export type IndexModel = z.infer<typeof modelSchema>;

type Settings = Pick<ReindexSettings, 'cutCodePoints' | 'dimensions' | 'patience'>;

/** Null when no re-index of the namespace was proven, or its record cannot be read: then nothing is known. */
export async function loadIndexModel(store: ObjectStore, namespace: string): Promise<IndexModel | null> {
  const found = await store.read(nameOf(namespace));
  return found === null ? null : readable(found.body);
}

/** All that are known, in the order of their names. */
export async function loadIndexModels(store: ObjectStore): Promise<IndexModel[]> {
  const models: IndexModel[] = [];
  for await (const { name } of store.list(PREFIX)) {
    const found = await store.read(name);
    const model = found === null ? null : readable(found.body);
    if (model !== null) models.push(model);
  }
  return models;
}

export async function saveIndexModel(
  store: ObjectStore,
  namespace: string,
  facts: Omit<IndexModel, 'version' | 'namespace'>,
): Promise<void> {
  const body = encodeJson({ version: 1, namespace: hashOf(namespace), ...facts } satisfies IndexModel);
  const name = nameOf(namespace);
  for (;;) {
    const found = await store.read(name);
    if (found === null && (await store.create(name, body)).created) return;
    if (found !== null && (await store.swap(name, body, found.etag)) !== null) return;
  }
}

/** Whether vectors made with these settings may stand beside those of the record. */
export function isSameModel(known: IndexModel, model: string, { cutCodePoints, dimensions }: Settings): boolean {
  return known.model === model && known.dimensions === dimensions && known.cutCodePoints === cutCodePoints;
}

/** So many items are embedded again to see what model their vectors are of. */
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
  const embedding = openEmbedding(ports, settings, signal, alone);
  const vectors = await embedding.embed(pairs.map(({ text }) => text));
  const compared = vectors.flatMap((vector, at) =>
    typeof vector === 'string' ? [] : [cosine(vector, pairs[at]?.values ?? new Float32Array()) >= LEAST_COSINE],
  );
  if (compared.length === 0) return 'unknown';
  return 3 * compared.filter((agrees) => !agrees).length >= compared.length ? 'other' : 'same';
}

/** Mode `missing` would put vectors of another model, or of other texts, beside those that are there. */
export function refuseMixture(project: string, known: IndexModel | null, model: string): AppError {
  const are = known === null ? 'of another model' : `of ${known.model} (${known.dimensions} dimensions)`;
  const command = reindexCommand(project === '' ? { all: true } : { project });
  return new AppError('vector-mismatch', `The vectors that are there are ${are}, and ${model} is configured`, {
    hint: `Vectors of two models cannot be compared, and nothing was changed. Re-index in full: \`${command}\`, or set EMBEDDING_MODEL back.`,
  });
}

/** Of vectors of length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}

function readable(body: Buffer): IndexModel | null {
  try {
    return modelSchema.parse(decodeJson(body));
  } catch {
    return null;
  }
}

function hashOf(namespace: string): string {
  return createHash('sha256').update(namespace).digest('hex');
}

function nameOf(namespace: string): string {
  return `${PREFIX}${hashOf(namespace).slice(0, 32)}.json`;
}
