import { UNDECIDED } from '../health/credentials/outcomes.js';
import { UNTRIED, type CheckResult } from '../health/doctor.js';
import type { ServiceRecord } from './state.js';

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
