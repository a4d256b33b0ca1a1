import { UNDECIDED } from '../health/credentials/outcomes.js';
import { UNTRIED, type CheckResult, examine, type CheckGroup } from '../health/doctor.js';
import type { ServiceRecord } from './state.js';
import type { Clock } from '../ports/clock.js';
import type { TriedService } from './status/answers.js';

/** Groups of checks that call no service: they count only when they fail. */
const CONFIGURATION: ReadonlySet<string> = new Set([
  'variables',
  'retention',
  'cron-secret',
  'admin-token',
  'public-url',
  'webhook-secret',
]);

/** The state of a service by the checks of its group; null if it is not configured or is no service. */
export function serviceRecord(results: readonly CheckResult[], by: string, at: string): ServiceRecord | null {
  const name = results[0]?.name;
  if (name === undefined || name.startsWith('without-') || results[0]?.status === 'skipped') return null;
  const failed = results.find(({ status }) => status === 'fail');
  const undecided = results.find(isUndecided);
  if (failed === undefined && undecided !== undefined) {
    const { detail: reason, hint, name: check } = undecided;
    return { name, state: 'unknown', since: at, checkedAt: at, by, check, reason, hint };
  }
  if (failed === undefined) {
    if (CONFIGURATION.has(name)) return null;
    return { name, state: 'ok', since: at, checkedAt: at, by, check: null, reason: null, hint: null };
  }
  const { detail: reason, hint } = failed;
  return { name, state: 'not-ok', since: at, checkedAt: at, by, check: failed.name, reason, hint };
}

/** Whether a check reached no verdict, good or bad. */
export function isUndecided({ code, status }: CheckResult): boolean {
  return status !== 'fail' && code !== undefined && (UNDECIDED.has(code) || code === UNTRIED);
}

/** Tries the configured services now. Never throws. */
export type TryServices = () => Promise<TriedService[]>;

export const tryNothing: TryServices = () => Promise.resolve([]);

/**
 * Runs light checks of services concurrently, for the status. A group of several checks has the name of its first; `lighter`
 * names services whose check here proves less than the guard's check of the same name.
 */
export function tryServices(clock: Clock, groups: readonly CheckGroup[], lighter: ReadonlySet<string>): TryServices {
  return async () => {
    const all = await Promise.all(groups.map((group) => resultsOf(clock, group)));
    return all.flatMap((results) => {
      const record = serviceRecord(results, 'status', new Date(clock.now()).toISOString());
      if (record === null) return [];
      return [{ record, checks: lighter.has(record.name) ? [] : results.map(({ name }) => name) }];
    });
  };
}

async function resultsOf(clock: Clock, group: CheckGroup): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for await (const result of examine(clock, [group])) results.push(result);
  return results;
}
