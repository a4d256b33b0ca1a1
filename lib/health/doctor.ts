import { AppError, toAppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';

/** What one look at a service came to. `skipped`: nothing of it is configured, and `detail` says what that means. */
export interface Observation {
  readonly status: 'ok' | 'warn' | 'fail' | 'skipped';
  readonly detail: string;
  /** What the operator should do; null when there is nothing to do. */
  readonly hint: string | null;
  /** Which of the known outcomes it is, where a check tells several apart: a word in kebab-case. */
  readonly code?: string;
}

/** An observation as it is reported. `ok` is false for a failure alone; `ms` is how long the look took. */
export interface CheckResult extends Observation {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
}

/** One look at one thing. What it throws counts as a failure, with the error's message and hint. */
export interface Check {
  readonly name: string;
  /** How long it may take, in milliseconds. Default 20,000. */
  readonly limitMs?: number;
  run(): Promise<Observation>;
}

/** Checks of one service in order: when one fails, those after it would only say the same again. */
export type CheckGroup = readonly Check[];

/** A check that takes longer, in milliseconds, counts as failed: retries of a dead host would go on for minutes. */
const LIMIT_MS = 20_000;

export const ok = (detail: string): Observation => ({ status: 'ok', detail, hint: null });
export const warn = (detail: string, hint: string): Observation => ({ status: 'warn', detail, hint });
export const fail = (detail: string, hint: string): Observation => ({ status: 'fail', detail, hint });

/** A group for something that is not configured. */
export function notConfigured(name: string, meaning: string): CheckGroup {
  return [{ name, run: () => Promise.resolve({ status: 'skipped', detail: meaning, hint: null }) }];
}

/** A group for a service without which nothing works, and of which nothing is configured. */
export function notConfiguredButNeeded(name: string, meaning: string): CheckGroup {
  const hint = 'Set its variables in the environment or in the file given with --env-file; .env.example explains each.';
  return [{ name, run: () => Promise.resolve({ status: 'fail', detail: meaning, hint }) }];
}

/** Makes all the checks, one after the other, and hands out each result as it comes. Throws nothing. */
export async function* examine(clock: Clock, groups: readonly CheckGroup[]): AsyncGenerator<CheckResult> {
  for (const group of groups) {
    let failed: string | null = null;
    for (const check of group) {
      const result = failed === null ? await measured(clock, check) : untried(check.name, failed);
      if (!result.ok) failed = check.name;
      yield result;
    }
  }
}

async function measured(clock: Clock, check: Check): Promise<CheckResult> {
  const from = clock.now();
  const seen = await withinLimit(clock, check).catch((error: unknown) => {
    const { message, hint } = toAppError(error);
    return fail(message, hint);
  });
  return { name: check.name, ok: seen.status !== 'fail', ...seen, ms: clock.now() - from };
}

async function withinLimit(clock: Clock, check: Check): Promise<Observation> {
  const over = new AbortController();
  const limit = check.limitMs ?? LIMIT_MS;
  const late = clock.sleep(limit, over.signal).then((): Observation => {
    throw new AppError('internal', `No answer within ${limit / 1000} seconds`, {
      hint: 'The service is slow or a firewall swallows the connection: check the address, then try again.',
    });
  });
  // After the race nobody listens to the loser any more.
  late.catch(() => undefined);
  return Promise.race([Promise.resolve().then(() => check.run()), late]).finally(() => over.abort());
}

/** Code of a check that was not made, since one before it failed. */
export const UNTRIED = 'untried';

function untried(name: string, failed: string): CheckResult {
  const detail = `not tried, since ${failed} failed`;
  return { name, ok: true, status: 'skipped', detail, hint: null, code: UNTRIED, ms: 0 };
}
