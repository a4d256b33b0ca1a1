import { traitsOf } from '../run-kinds.js';
import type { RunRecord } from '../runs/model.js';
import { fieldsOf, type RunCost } from '../runs/traits.js';

/** What runs together spent. */
export interface SpentFigures {
  /** When the first of them began, in ISO 8601; null where there is none. */
  readonly since: string | null;
  readonly runs: number;
  /** Of these runs, those whose record or price does not say it. */
  readonly unknown: number;
  readonly commands: number;
  readonly tokens: number;
  readonly estimatedUsd: number;
}

/** As far as the record of the run says it; null where it does not. */
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
