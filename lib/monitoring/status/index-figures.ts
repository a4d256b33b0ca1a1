import type { Manifest } from '../../snapshot/manifest.js';
import { labelOf, modelsAt, type NamespaceModel, type Recipe } from '../../soulcaster/index-models.js';
import type { ConfiguredIndex } from '../alerts/source.js';
import type { Facts } from '../facts.js';

/** What a proven re-index of a whole namespace made its vectors with. */
type NamespaceFigures = Recipe & {
  /** The project's id, or its label if the snapshots are encrypted or do not have the project. */
  readonly project: string;
  /** Null: no re-index of the namespace is proven yet. */
  readonly provenAt: string | null;
  /** Whether the namespace may hold vectors of another model, too. */
  readonly mixed: boolean;
};

export interface IndexFigures {
  /** The configured model. */
  readonly configured: Recipe;
  /** What follows the project's id in the names of namespaces. */
  readonly suffix: string;
  /** The namespaces whose model is known. */
  readonly namespaces: readonly NamespaceFigures[];
  /** Namespaces that are or were built beside them, by suffix. */
  readonly beside: readonly (Recipe & { readonly suffix: string; readonly startedAt: string })[];
}

/** Control objects hold labels instead of project ids: the ids come from the manifest that `latest` means. */
export function indexFigures(
  { models }: Pick<Facts, 'models'>,
  configured: ConfiguredIndex | null,
  manifest: Manifest | null,
): IndexFigures | null {
  if (configured === null) return null;
  const ids = Object.keys(manifest?.counts.byProject ?? {});
  const names = new Map([...ids, ''].map((id) => [labelOf(id), id === '' ? '(none)' : id]));
  return {
    configured: configured.recipe,
    suffix: configured.place.suffix,
    namespaces: modelsAt(models, configured.place).map((one) => figuresOf(one, names)),
    beside: models.besides.map(({ suffix, startedAt, ...rest }) => ({ ...recipeOf(rest), suffix, startedAt })),
  };
}

function figuresOf(one: NamespaceModel, names: ReadonlyMap<string, string>): NamespaceFigures {
  const { mixed, project, provenAt } = one;
  return { project: names.get(project) ?? project, ...recipeOf(one), provenAt, mixed };
}

function recipeOf({ model, dimensions, cutCodePoints, textRule }: Recipe): Recipe {
  return { model, dimensions, cutCodePoints, textRule };
}
