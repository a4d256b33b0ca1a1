import type { RunRecord } from '../runs/model.js';
import { estimatedUsd } from '../snapshot/price.js';

/** What a run spent that is paid for by use. */
export interface RunCost {
  /** Of the database; null for a run that sends it none to speak of. */
  readonly commands: number | null;
  /** Of the embedder; null for a run that embeds nothing. */
  readonly tokens: number | null;
  /** US dollars, at most; null where the price is not known. */
  readonly estimatedUsd: number | null;
}

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

type Fields = Readonly<Record<string, unknown>>;
type Spender = Pick<RunRecord, 'kind' | 'result'>;

/** As far as the record of the run says it; null where it does not, as of a run that is not over or that failed early. */
export function costOf({ kind, result }: Spender): RunCost | null {
  const fields = fieldsOf(result);
  switch (kind) {
    case 'snapshot':
      return ofCommands(fields['commands']);
    case 'restore':
      return ofCommands(fieldsOf(fields['spent'])['commands']);
    case 'drill':
      return ofCommands(fieldsOf(fieldsOf(fields['restore'])['spent'])['commands']);
    case 'reindex': {
      const { estimatedUsd: usd, tokens } = fields;
      return typeof tokens === 'number'
        ? { commands: null, tokens, estimatedUsd: typeof usd === 'number' ? usd : null }
        : null;
    }
    case 'verify':
      return { commands: 0, tokens: null, estimatedUsd: 0 };
  }
}

/** Of a plan of a re-index it would be what the work itself would cost. */
function isPlanOfWork({ kind, input }: Pick<RunRecord, 'kind' | 'input'>): boolean {
  return kind === 'reindex' && fieldsOf(input)['dryRun'] === true;
}

export function spentBy(runs: readonly Pick<RunRecord, 'kind' | 'result' | 'input' | 'createdAt'>[]): SpentFigures {
  const done = runs.filter((run) => !isPlanOfWork(run));
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

function ofCommands(commands: unknown): RunCost | null {
  return typeof commands === 'number' ? { commands, tokens: null, estimatedUsd: estimatedUsd(commands) } : null;
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
