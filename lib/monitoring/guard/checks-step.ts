import type { Clock } from '../../ports/clock.js';
import type { Budget } from '../../runs/attempt.js';
import { keyOf, type Finding } from '../alerts/condition.js';
import { examine, type CheckGroup, type CheckResult } from '../../health/doctor.js';
import { isUndecided, serviceRecord } from '../services.js';
import type { ServiceRecord } from '../state.js';
import type { Summary } from './parts.js';

/** What it finds has its own alert. */
const LEASES = 'store-leases';

export interface Checked extends Finding {
  readonly summary: Summary;
  readonly checks: readonly CheckResult[];
  /** What they say of each service that is configured. */
  readonly services: readonly ServiceRecord[];
  /** The names of all groups that there was time for. */
  readonly made: ReadonlySet<string>;
  readonly whole: boolean;
}

/** Makes the checks of services and credentials, as many as there is time for. Those left out were not judged. */
export async function checksStep(clock: Clock, groups: readonly CheckGroup[], budget: Budget): Promise<Checked> {
  const checks: CheckResult[] = [];
  const services: ServiceRecord[] = [];
  const made = new Set<string>();
  let whole = true;
  for (const group of groups) {
    whole = clock.now() < budget.deadline;
    if (!whole) break;
    const results: CheckResult[] = [];
    for await (const result of examine(clock, [group])) results.push(result);
    const ofService = results.filter(({ name }) => name !== LEASES);
    const record = serviceRecord(ofService, 'guard', new Date(clock.now()).toISOString());
    if (record !== null) services.push(record);
    for (const { name } of group.slice(0, 1)) made.add(name);
    checks.push(...results);
  }
  const failed = checks.filter(({ name, status }) => status === 'fail' && name !== LEASES);
  const undecided = checks.filter(isUndecided);
  const conditions = failed.map(({ name, detail, hint }) => ({
    code: 'credential-failed' as const,
    subject: name,
    message: `The check of ${name} failed: ${detail}`,
    hint: hint ?? 'See `npx soulcaster-backup doctor --env-file .env`.',
  }));
  const summary = { checks: checks.length, failed: failed.length, whole };
  return {
    ...{ checks, made, services, summary, whole, conditions },
    evaluated: new Set(whole ? ['credential-failed'] : []),
    undecided: new Set(undecided.map(({ name }) => keyOf({ code: 'credential-failed', subject: name }))),
  };
}
