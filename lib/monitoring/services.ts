import { UNDECIDED } from '../health/credentials/github.js';
import { UNTRIED, type CheckResult, examine, type CheckGroup } from '../health/doctor.js';
import type { Clock } from '../ports/clock.js';
import type { Budget } from '../runs/attempt.js';
import { keyOf, type Condition, type Finding } from './alerts/condition.js';
import type { ServiceRecord, Step } from './state.js';

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
function isUndecided({ code, status }: CheckResult): boolean {
  return status !== 'fail' && code !== undefined && (UNDECIDED.has(code) || code === UNTRIED);
}

/** A service tried just now, and the checks made for it. */
export interface TriedService {
  readonly record: ServiceRecord;
  readonly checks: readonly string[];
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

/** The condition of a failed check. */
export function checkFailed(name: string, detail: string, hint: string | null): Condition<'credential-failed'> {
  return {
    code: 'credential-failed',
    subject: name,
    message: `The check of ${name} failed: ${detail}`,
    hint: hint ?? 'See `npx soulcaster-backup doctor --env-file .env`.',
  };
}

/** This check has its own alert. */
const LEASES = 'store-leases';

export interface Checked extends Finding {
  readonly summary: Step['summary'];
  readonly checks: readonly CheckResult[];
  /** The state of each configured service. */
  readonly services: readonly ServiceRecord[];
  /** The names of all groups that were checked. */
  readonly made: ReadonlySet<string>;
  readonly whole: boolean;
}

/** Runs the checks of services and credentials until the deadline; checks left out are not evaluated. */
export async function checksStep(clock: Clock, groups: readonly CheckGroup[], budget: Budget): Promise<Checked> {
  const checks: CheckResult[] = [];
  const services: ServiceRecord[] = [];
  const made = new Set<string>();
  let whole = true;
  for (const group of groups) {
    whole = clock.now() < budget.deadline;
    if (!whole) break;
    const results = await resultsOf(clock, group);
    const ofService = results.filter(({ name }) => name !== LEASES);
    const record = serviceRecord(ofService, 'guard', new Date(clock.now()).toISOString());
    if (record !== null) services.push(record);
    if (group[0] !== undefined) made.add(group[0].name);
    checks.push(...results);
  }
  const failed = checks.filter(({ name, status }) => status === 'fail' && name !== LEASES);
  const undecided = checks.filter(isUndecided);
  const conditions = failed.map(({ name, detail, hint }) => checkFailed(name, detail, hint));
  const summary = { checks: checks.length, failed: failed.length, whole };
  return {
    ...{ checks, made, services, summary, whole, conditions },
    evaluated: new Set(whole ? ['credential-failed'] : []),
    undecided: new Set(undecided.map(({ name }) => keyOf({ code: 'credential-failed', subject: name }))),
  };
}
