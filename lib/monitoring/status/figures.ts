import { traitsOf } from '../../run-kinds.js';
import type { RunRecord } from '../../runs/model.js';
import { fieldsOf, type RunCost } from '../../runs/traits.js';
import type { Manifest } from '../../snapshot/manifest.js';
import { labelOf, modelsAt, type NamespaceModel, type Recipe } from '../../soulcaster/index-models.js';
import { type ConfiguredIndex, runbookOf } from '../alerts/condition.js';
import { deliveryTo } from '../alerts/messages.js';
import type { Facts } from '../facts.js';
import type { Alert, DeliveryState, GuardState } from '../state.js';

/** An open alert, as list, status and page show it. */
export type AlertFigures = Pick<Alert, 'code' | 'subject' | 'message' | 'hint' | 'since' | 'lastSentAt'> & {
  readonly runbook: string;
};

/** Outcome of the last alert messages. */
export interface DeliveryFigures extends Pick<DeliveryState, 'lastFailure' | 'lastSentAt'> {
  /** Alerts whose message is due but not known to be delivered, as `code subject`. */
  readonly undelivered: readonly string[];
}

export function openAlerts({ alerts }: GuardState): AlertFigures[] {
  return alerts
    .filter(({ resolvedAt }) => resolvedAt === null)
    .map(({ code, subject, message, hint, since, lastSentAt }) => {
      return { code, subject, message, hint, since, lastSentAt, runbook: runbookOf(code) };
    });
}

/** `address`: the address of the configured channel. */
export function deliveryFigures({ alerts, delivery: last }: GuardState, address: string | null): DeliveryFigures {
  const { lastFailure, lastSentAt } = deliveryTo(last, address);
  const undelivered = alerts.filter(({ lastSentAt, resolvedAt }) => lastSentAt === null || resolvedAt !== null);
  return { lastSentAt, lastFailure, undelivered: undelivered.map(({ code, subject }) => `${code} ${subject}`) };
}

/** Total cost of several runs. */
export interface SpentFigures {
  /** When the first of these runs began, in ISO 8601; null without runs. */
  readonly since: string | null;
  readonly runs: number;
  /** Runs whose cost is unknown: the record or the price is missing. */
  readonly unknown: number;
  readonly commands: number;
  readonly tokens: number;
  readonly estimatedUsd: number;
}

/** The cost in the record of a run; null if the record has none. */
export function costOf({ kind, result }: Pick<RunRecord, 'kind' | 'result'>): RunCost | null {
  return traitsOf(kind).cost?.(fieldsOf(result)) ?? null;
}

function isEstimate({ kind, input }: Pick<RunRecord, 'kind' | 'input'>): boolean {
  return traitsOf(kind).isEstimate?.(fieldsOf(input)) === true;
}

export function spentBy(runs: readonly Pick<RunRecord, 'kind' | 'result' | 'input' | 'createdAt'>[]): SpentFigures {
  const done = runs.filter((run) => !isEstimate(run));
  const costs = done.map(costOf);
  const sum = (of: (cost: RunCost) => number | null): number =>
    costs.reduce((total, cost) => total + (cost === null ? 0 : (of(cost) ?? 0)), 0);
  return {
    since: done.map(({ createdAt }) => createdAt).sort()[0] ?? null,
    runs: done.length,
    unknown: costs.filter((cost) => cost?.estimatedUsd == null).length,
    commands: sum(({ commands }) => commands),
    tokens: sum(({ tokens }) => tokens),
    estimatedUsd: Number(sum((cost) => cost.estimatedUsd).toFixed(6)),
  };
}

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
