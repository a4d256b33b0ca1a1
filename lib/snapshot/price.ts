import type { RunCost } from '../runs/traits.js';

/** Upstash Redis, pay as you go, November 2026: 0.20 US dollars per 100,000 commands. */
const USD_PER_COMMAND = 0.2 / 100_000;

/** The most that the commands of a snapshot cost; the first 500,000 a month may be free. */
export function estimatedUsd(commands: number): number {
  return Number((commands * USD_PER_COMMAND).toFixed(6));
}

/** The cost of the command count in a run's result; null where there is none. */
export function costOfCommands(commands: unknown): RunCost | null {
  return typeof commands === 'number' ? { commands, tokens: null, estimatedUsd: estimatedUsd(commands) } : null;
}
