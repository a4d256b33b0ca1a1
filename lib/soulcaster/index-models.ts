import { createHash } from 'node:crypto';
import { updateObject } from '../control/object.js';
import { z } from 'zod';
import { encodeJson, parseStored } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import type { IndexPlace } from '../ports/vector-index.js';

const NAME = 'guard/index-models.json';

/** Version of the rule that makes a text from an item's fields; incremented when lib/reindex/items.ts changes. */
export const TEXT_RULE = 1;

const recipeShape = {
  model: z.string(),
  dimensions: z.number(),
  /** How many code points of a body are embedded; 0: all. */
  cutCodePoints: z.number(),
  textRule: z.number(),
};
const placeShape = { index: z.string(), suffix: z.string() };

const namespaceSchema = z.object({
  ...placeShape,
  /** `labelOf` the project: control objects do not name projects. */
  project: z.string(),
  ...recipeShape,
  /** When a re-index of the whole namespace was proven (ISO 8601); null before that. */
  provenAt: z.string().nullable(),
  /** The run that made the vectors. */
  run: z.string(),
  /** Whether vectors of another recipe may be among them, because the run that overwrites those has not succeeded yet. */
  mixed: z.boolean(),
});
/** The recipe of the vectors of one namespace. */
export type NamespaceModel = z.infer<typeof namespaceSchema>;

const besideSchema = z.object({ ...placeShape, ...recipeShape, startedAt: z.string(), run: z.string() });
/** Namespaces that are built beside those that the application searches. */
export type Beside = z.infer<typeof besideSchema>;

/** `guard/index-models.json`: all namespaces in one object, so that one read suffices. Swapped by etag. */
const modelsSchema = z.object({
  version: z.literal(1),
  namespaces: z.array(namespaceSchema),
  besides: z.array(besideSchema),
});
export type IndexModels = Omit<z.infer<typeof modelsSchema>, 'version'>;

/** How vectors are made: vectors of different recipes cannot be compared. */
export type Recipe = Pick<NamespaceModel, 'model' | 'dimensions' | 'cutCodePoints' | 'textRule'>;

const NO_MODELS: IndexModels = { namespaces: [], besides: [] };

/** Empty if there is no record, or if it cannot be read. */
export async function loadIndexModels(store: ObjectStore): Promise<IndexModels> {
  const found = await store.read(NAME);
  return found === null ? NO_MODELS : parseModels(found.body);
}

/** Null if no re-index of the namespace has begun. */
export function modelOf({ namespaces }: IndexModels, place: IndexPlace, project: string): NamespaceModel | null {
  const label = labelOf(project);
  return namespaces.find((one) => isAt(one, place) && one.project === label) ?? null;
}

/** The records of all namespaces of one place. */
export function modelsAt({ namespaces }: IndexModels, place: IndexPlace): NamespaceModel[] {
  return namespaces.filter((one) => isAt(one, place));
}

/** Suffixes of other places in the same index, current or former: namespaces that end in one are not projects. */
export function suffixesBeside({ besides, namespaces }: IndexModels, { index, suffix }: IndexPlace): string[] {
  const others = [...besides, ...namespaces].filter((one) => one.index === index && one.suffix !== suffix);
  return [...new Set(others.map((one) => one.suffix))].filter((each) => each !== '');
}

export function isSameRecipe(a: Recipe, b: Recipe): boolean {
  return (
    a.model === b.model &&
    a.dimensions === b.dimensions &&
    a.cutCodePoints === b.cutCodePoints &&
    a.textRule === b.textRule
  );
}

/** Model, dimensions and text limit, for display. */
export function recipeWords({ model, dimensions, cutCodePoints }: Recipe): string {
  const cut = cutCodePoints === 0 ? 'whole bodies' : `bodies cut at ${cutCodePoints} characters`;
  return `${model} (${dimensions} dimensions, ${cut})`;
}

/** Saves the records of namespaces, replacing earlier ones. */
export async function saveModels(store: ObjectStore, models: readonly NamespaceModel[]): Promise<void> {
  if (models.length === 0) return;
  await updateModels(store, ({ besides, namespaces }) => ({
    besides,
    namespaces: [...namespaces.filter((one) => !models.some((other) => isSameNamespace(one, other))), ...models],
  }));
}

/** Removes the records of namespaces that hold no vectors any more. `isEmpty`: by the label of the project. */
export async function removeNamespaces(
  store: ObjectStore,
  place: IndexPlace,
  isEmpty: (label: string) => boolean,
): Promise<void> {
  const isGone = (one: NamespaceModel): boolean => isAt(one, place) && isEmpty(one.project);
  if (!(await loadIndexModels(store)).namespaces.some(isGone)) return;
  await updateModels(store, ({ besides, namespaces }) => ({
    besides,
    namespaces: namespaces.filter((one) => !isGone(one)),
  }));
}

/** Records that a place is built. A place that is brought up to date with the same recipe keeps the time of its first run. */
export async function saveBeside(store: ObjectStore, beside: Beside): Promise<void> {
  await updateModels(store, ({ besides, namespaces }) => {
    const before = besides.find((one) => isAt(one, beside) && isSameRecipe(one, beside));
    const { startedAt } = before ?? beside;
    return { namespaces, besides: [...besides.filter((one) => !isAt(one, beside)), { ...beside, startedAt }] };
  });
}

/** The suffixes in the index of a place whose vectors are older than those of the place: '' and those built before it. */
export function olderSuffixes({ besides, namespaces }: IndexModels, place: IndexPlace): string[] {
  const startedAt = (one: IndexPlace): string => besides.find((beside) => isAt(beside, one))?.startedAt ?? '';
  const others = [{ ...place, suffix: '' }, ...besides, ...namespaces].filter(
    (one) => one.index === place.index && one.suffix !== place.suffix,
  );
  const older = others.filter((one) => one.suffix === '' || startedAt(one) < startedAt(place));
  return [...new Set(older.map(({ suffix }) => suffix))];
}

/** Removes the records of a place whose vectors were removed. */
export async function removePlace(store: ObjectStore, place: IndexPlace): Promise<void> {
  await updateModels(store, ({ besides, namespaces }) => ({
    besides: besides.filter((one) => !isAt(one, place)),
    namespaces: namespaces.filter((one) => !isAt(one, place)),
  }));
}

/** `sha256:` and the first 16 hexadecimal digits, as manifests of encrypted snapshots name projects. */
export function labelOf(project: string): string {
  return `sha256:${createHash('sha256').update(project).digest('hex').slice(0, 16)}`;
}

function isAt(one: IndexPlace, { index, suffix }: IndexPlace): boolean {
  return one.index === index && one.suffix === suffix;
}

function isSameNamespace(a: NamespaceModel, b: NamespaceModel): boolean {
  return isAt(a, b) && a.project === b.project;
}

async function updateModels(store: ObjectStore, edit: (models: IndexModels) => IndexModels): Promise<void> {
  await updateObject(store, NAME, 'The record of the indexes', (found) =>
    encodeJson({ version: 1, ...edit(found === null ? NO_MODELS : parseModels(found.body)) }),
  );
}

function parseModels(body: Buffer): IndexModels {
  const { besides, namespaces } = parseStored(modelsSchema, body) ?? NO_MODELS;
  return { besides, namespaces };
}
