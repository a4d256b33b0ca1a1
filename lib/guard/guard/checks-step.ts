import type { Clock } from '../../ports/clock.js';
import type { Budget } from '../../runs/leg.js';
import type { Finding } from '../alerts/condition.js';
import { examine, type CheckGroup, type CheckResult } from '../doctor.js';
import type { Summary } from './parts.js';

/** What it finds has an alert of its own. */
const LEASES = 'store-leases';

export interface Checked extends Finding {
  readonly summary: Summary;
  readonly checks: readonly CheckResult[];
}

/** Makes the checks of services and credentials, as many as there is time for. Those left out were not judged. */
export async function checksStep(clock: Clock, groups: readonly CheckGroup[], budget: Budget): Promise<Checked> {
  const checks: CheckResult[] = [];
  let whole = true;
  for (const group of groups) {
    whole = clock.now() < budget.deadline;
    if (!whole) break;
    for await (const result of examine(clock, [group])) checks.push(result);
  }
  const failed = checks.filter(({ name, status }) => status === 'fail' && name !== LEASES);
  const conditions = failed.map(({ name, detail, hint }) => ({
    code: 'credential-failed' as const,
    subject: name,
    message: `The check of ${name} failed: ${detail}`,
    hint: hint ?? 'See `soulcaster-backup doctor`.',
  }));
  const summary = { checks: checks.length, failed: failed.length, whole };
  return { checks, summary, conditions, judged: new Set(whole ? ['credential-failed'] : []) };
}
