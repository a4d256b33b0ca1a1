import { UNDECIDED } from '../health/credentials/outcomes.js';
import { UNTRIED, type CheckResult, examine, type CheckGroup } from '../health/doctor.js';
import type { ServiceRecord } from './state.js';
import type { Clock } from '../ports/clock.js';
import type { Tried } from './status/answers.js';

/** Groups of checks that try no service: they count only when they find something wrong. */
const CONFIGURATION: ReadonlySet<string> = new Set([
  'variables',
  'retention',
  'cron-secret',
  'admin-token',
  'public-url',
  'webhook-secret',
]);

/**
 * What the checks of one group say of its service; null for what is not configured, or is none.
 */
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

/** Whether a check could not find out what it is for: then nothing is known, neither good nor bad. */
export function isUndecided({ code, status }: CheckResult): boolean {
  return status !== 'fail' && code !== undefined && (UNDECIDED.has(code) || code === UNTRIED);
}

/** Tries the services that are configured, now. Throws nothing. */
export type TryServices = () => Promise<Tried[]>;

export const tryNothing: TryServices = () => Promise.resolve([]);

/**
 * Makes light checks of services side by side, for somebody who looks at the status. A group of more than one check is named
 * by its first; `lighter` names services whose check here proves less than the guard's of the same name.
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
