import type { Manifest } from '../../snapshot/manifest.js';
import { labelOf, modelsAt, type NamespaceModel, type Recipe } from '../../soulcaster/index-models.js';
import type { ConfiguredIndex } from '../alerts/source.js';
import type { Facts } from '../facts.js';

/** What the vectors of one namespace were made with, as a proven re-index of all of it left them. */
type NamespaceFigures = Recipe & {
  /** Its id, or the label for it where the snapshots are encrypted or do not have it. */
  readonly project: string;
  /** Null: no re-index of it is proven yet. */
  readonly provenAt: string | null;
  /** Whether vectors of another model may be among them. */
  readonly mixed: boolean;
};

export interface IndexFigures {
  /** What vectors are made with here. */
  readonly configured: Recipe;
  /** What the names of the namespaces end in after the project's id. */
  readonly suffix: string;
  /** The namespaces of which it is known. */
  readonly namespaces: readonly NamespaceFigures[];
  /** What is built beside them, or was. */
  readonly beside: readonly (Recipe & { readonly suffix: string; readonly startedAt: string })[];
}

/** A control object names no project: the manifest that `latest` means tells which label is whose. */
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
