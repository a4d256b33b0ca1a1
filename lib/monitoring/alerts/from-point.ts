import type { PassedOver } from '../../snapshot/latest.js';
import { passedOverWords } from '../../snapshot/select.js';
import { AT_RISK_MS } from '../objectives.js';
import type { Facts } from '../facts.js';
import { recoveryPointOf } from '../recovery-point.js';
import type { Condition } from './condition.js';
import type { AlertSource } from './source.js';

type Code = 'rpo-breached' | 'rpo-at-risk';

export const POINT_ALERTS: AlertSource<Code> = {
  codes: { 'rpo-breached': 'facts', 'rpo-at-risk': 'facts' },
  find: pointConditions,
};

function pointConditions(facts: Facts): Condition<Code>[] {
  const { ageHours, ageMs, ambiguous, met, newest, passedOver } = recoveryPointOf(facts);
  const hint =
    'See the last runs in the status. Take one now: `npx soulcaster-backup backup --env-file .env`, with --local if the queue is down.';
  const but = passedOver.length === 0 ? '' : ` Newer ones do not count: ${notCounted(passedOver)}.`;
  const is = (code: Code, message: string): Condition<Code>[] => [
    { code, subject: 'database', message: `${message}${but}`, hint },
  ];
  if (ambiguous) {
    return is(
      'rpo-breached',
      'The store holds snapshots of several databases, and UPSTASH_REDIS_REST_URL is not set here.',
    );
  }
  if (ageMs === null || ageHours === null) {
    return is('rpo-breached', 'There is no verified snapshot of the database that can be relied on.');
  }
  const words = `The newest verified snapshot, ${newest?.id ?? ''}, is ${ageHours} hours old`;
  if (!met) return is('rpo-breached', `${words}; the objective is 24.`);
  return ageMs > AT_RISK_MS ? is('rpo-at-risk', `${words}: a run is missing. The objective is 24.`) : [];
}

/** This many snapshots that do not count are named. */
const NAMED = 3;

function notCounted(passedOver: readonly PassedOver[]): string {
  const more = passedOver.length > NAMED ? `; and ${passedOver.length - NAMED} more` : '';
  return `${passedOver.slice(0, NAMED).map(passedOverWords).join('; ')}${more}`;
}
