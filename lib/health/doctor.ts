import { AppError, toAppError } from '../errors.js';
import type { Clock } from '../ports/clock.js';

/** Outcome of a check. `skipped`: the service is not configured, and `detail` says what that means. */
export interface Observation {
  readonly status: 'ok' | 'warn' | 'fail' | 'skipped';
  readonly detail: string;
  /** What the operator should do; null if nothing. */
  readonly hint: string | null;
  /** The outcome in kebab-case, for checks that distinguish several. */
  readonly code?: string;
}

/** An observation as reported. `ok` is false only for failures; `ms` is the duration of the check. */
export interface CheckResult extends Observation {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
}

/** A thrown error counts as a failure with the error's message and hint. */
export interface Check {
  readonly name: string;
  /** Time limit in milliseconds. Default 20,000. */
  readonly limitMs?: number;
  run(): Promise<Observation>;
}

/** Checks of one service in order. After a failure the rest is skipped: it would fail for the same reason. */
export type CheckGroup = readonly Check[];

/** A check that takes longer counts as failed: retries of a dead host take minutes. */
const LIMIT_MS = 20_000;

export const ok = (detail: string): Observation => ({ status: 'ok', detail, hint: null });
export const warn = (detail: string, hint: string): Observation => ({ status: 'warn', detail, hint });
export const fail = (detail: string, hint: string): Observation => ({ status: 'fail', detail, hint });
export const skipped = (detail: string): Observation => ({ status: 'skipped', detail, hint: null });

/** A group of one check. */
export function groupOf(name: string, run: Check['run']): CheckGroup {
  return [{ name, run }];
}

/** A group for a service that is not configured. */
export function notConfigured(name: string, meaning: string): CheckGroup {
  return groupOf(name, () => Promise.resolve(skipped(meaning)));
}

/** A group for a required service that is not configured. */
export function notConfiguredButNeeded(name: string, meaning: string): CheckGroup {
  const hint = 'Set its variables in the environment or in the file given with --env-file; .env.example explains each.';
  return groupOf(name, () => Promise.resolve(fail(meaning, hint)));
}

/** Runs all checks one after the other and yields each result. Never throws. */
export async function* examine(clock: Clock, groups: readonly CheckGroup[]): AsyncGenerator<CheckResult> {
  for (const group of groups) {
    let failed: string | null = null;
    for (const check of group) {
      const result = failed === null ? await runCheck(clock, check) : skippedResult(check.name, failed);
      if (!result.ok) failed = check.name;
      yield result;
    }
  }
}

async function runCheck(clock: Clock, check: Check): Promise<CheckResult> {
  const from = clock.now();
  const observation = await withinLimit(clock, check).catch((error: unknown) => {
    const { message, hint } = toAppError(error);
    return fail(message, hint);
  });
  return { name: check.name, ok: observation.status !== 'fail', ...observation, ms: clock.now() - from };
}

async function withinLimit(clock: Clock, check: Check): Promise<Observation> {
  const over = new AbortController();
  const limit = check.limitMs ?? LIMIT_MS;
  const timeout = clock.sleep(limit, over.signal).then((): Observation => {
    throw new AppError('internal', `No answer within ${limit / 1000} seconds`, {
      hint: 'The service is slow, or a firewall drops the connection: check the address, then try again.',
    });
  });
  // Nothing handles this rejection after the race.
  timeout.catch(() => undefined);
  return Promise.race([Promise.resolve().then(() => check.run()), timeout]).finally(() => over.abort());
}

/** Code of a check that was skipped because an earlier one failed. */
export const UNTRIED = 'untried';

function skippedResult(name: string, failed: string): CheckResult {
  const detail = `not tried: ${failed} failed`;
  return { name, ok: true, status: 'skipped', detail, hint: null, code: UNTRIED, ms: 0 };
}
