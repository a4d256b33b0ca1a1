import type { Clock } from '../../ports/clock.js';
import { examine, type CheckGroup, type CheckResult } from '../../health/doctor.js';
import { serviceRecord } from '../services.js';
import type { Tried } from './answers.js';

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
