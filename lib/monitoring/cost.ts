import { traitsOf } from '../run-kinds.js';
import type { RunRecord } from '../runs/model.js';
import { fieldsOf, type RunCost } from '../runs/traits.js';

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
