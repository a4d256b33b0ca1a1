import { createHash } from 'node:crypto';
import { updateObject } from '../control/object.js';
import { z } from 'zod';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import type { IndexPlace } from '../ports/vector-index.js';

const NAME = 'guard/index-models.json';

/** How a text is made of an item's fields; it counts up when lib/reindex/items.ts makes other texts. */
export const TEXT_RULE = 1;

const recipeShape = {
  model: z.string(),
  dimensions: z.number(),
  /** Code points of a body that are embedded; 0: all of them. */
  cutCodePoints: z.number(),
  textRule: z.number(),
};
const placeShape = { index: z.string(), suffix: z.string() };

const namespaceSchema = z.object({
  ...placeShape,
  /** `labelOf` the project: a control object names none. */
  project: z.string(),
  ...recipeShape,
  /** When a re-index of the whole namespace was proven (ISO 8601); null as long as none is. */
  provenAt: z.string().nullable(),
  /** That made the vectors. */
  run: z.string(),
  /** Whether vectors of another recipe may be among them: the run that writes over those has not ended well yet. */
  mixed: z.boolean(),
});
/** What the vectors of one namespace are made with. */
export type NamespaceModel = z.infer<typeof namespaceSchema>;

const besideSchema = z.object({ ...placeShape, ...recipeShape, startedAt: z.string(), run: z.string() });
/** Namespaces that are built beside those that the application searches. */
export type Beside = z.infer<typeof besideSchema>;

/** `guard/index-models.json`: all namespaces in one object, so that whoever looks at them reads one. Swapped by etag. */
const modelsSchema = z.object({
  version: z.literal(1),
  namespaces: z.array(namespaceSchema),
  besides: z.array(besideSchema),
});
export type IndexModels = Omit<z.infer<typeof modelsSchema>, 'version'>;

/** What vectors are made with: two of unlike recipes cannot be compared. */
export type Recipe = Pick<NamespaceModel, 'model' | 'dimensions' | 'cutCodePoints' | 'textRule'>;

const NOTHING: IndexModels = { namespaces: [], besides: [] };

/** Where there is no record, or one that cannot be read, nothing is known. */
export async function loadIndexModels(store: ObjectStore): Promise<IndexModels> {
  const found = await store.read(NAME);
  return found === null ? NOTHING : readable(found.body);
}

/** Null when no re-index of the namespace has begun. */
export function modelOf({ namespaces }: IndexModels, place: IndexPlace, project: string): NamespaceModel | null {
  const label = labelOf(project);
  return namespaces.find((one) => isAt(one, place) && one.project === label) ?? null;
}

/** What is known of the namespaces of one place. */
export function modelsAt({ namespaces }: IndexModels, place: IndexPlace): NamespaceModel[] {
  return namespaces.filter((one) => isAt(one, place));
}

/** Whether namespaces are built, or were, in another place of the same index: their names are not projects. */
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

/** Of a model, its vectors' dimensions and the texts, for people. */
export function recipeWords({ model, dimensions, cutCodePoints }: Recipe): string {
  const cut = cutCodePoints === 0 ? 'whole bodies' : `bodies cut at ${cutCodePoints} characters`;
  return `${model} (${dimensions} dimensions, ${cut})`;
}

/** Writes down what namespaces were made with, over what was known of them. */
export async function noteModels(store: ObjectStore, news: readonly NamespaceModel[]): Promise<void> {
  if (news.length === 0) return;
  await change(store, ({ besides, namespaces }) => ({
    besides,
    namespaces: [...namespaces.filter((one) => !news.some((other) => isSameSpace(one, other))), ...news],
  }));
}

/** Forgets what is known of namespaces that have no vectors any more, by the labels of their projects. */
export async function forgetNamespaces(
  store: ObjectStore,
  place: IndexPlace,
  isEmpty: (label: string) => boolean,
): Promise<void> {
  const isGone = (one: NamespaceModel): boolean => isAt(one, place) && isEmpty(one.project);
  if (!(await loadIndexModels(store)).namespaces.some(isGone)) return;
  await change(store, ({ besides, namespaces }) => ({
    besides,
    namespaces: namespaces.filter((one) => !isGone(one)),
  }));
}

/** Records that a place is built. One that is brought up to date with the same recipe keeps the time of its first run. */
export async function noteBeside(store: ObjectStore, beside: Beside): Promise<void> {
  await change(store, ({ besides, namespaces }) => {
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

/** Forgets a place whose vectors were removed. */
export async function forgetPlace(store: ObjectStore, place: IndexPlace): Promise<void> {
  await change(store, ({ besides, namespaces }) => ({
    besides: besides.filter((one) => !isAt(one, place)),
    namespaces: namespaces.filter((one) => !isAt(one, place)),
  }));
}

/** `sha256:` and the first 16 hexadecimal digits: as a manifest names projects beside encrypted parts. */
export function labelOf(project: string): string {
  return `sha256:${createHash('sha256').update(project).digest('hex').slice(0, 16)}`;
}

function isAt(one: IndexPlace, { index, suffix }: IndexPlace): boolean {
  return one.index === index && one.suffix === suffix;
}

function isSameSpace(a: NamespaceModel, b: NamespaceModel): boolean {
  return isAt(a, b) && a.project === b.project;
}

async function change(store: ObjectStore, edit: (models: IndexModels) => IndexModels): Promise<void> {
  await updateObject(store, NAME, 'The record of the indexes', (found) =>
    encodeJson({ version: 1, ...edit(found === null ? NOTHING : readable(found.body)) }),
  );
}

function readable(body: Buffer): IndexModels {
  try {
    const { besides, namespaces } = modelsSchema.parse(decodeJson(body));
    return { besides, namespaces };
  } catch {
    return NOTHING;
  }
}
