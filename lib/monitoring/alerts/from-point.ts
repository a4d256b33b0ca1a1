import type { PassedOver } from '../../snapshot/latest.js';
import { passedOverWords } from '../../snapshot/select.js';
import type { Facts } from '../facts.js';
import { AT_RISK_MS, recoveryPointOf } from '../objectives.js';
import type { AlertSource, Condition } from './condition.js';

type Code = 'rpo-breached' | 'rpo-at-risk';

export const POINT_ALERTS: AlertSource<Code> = {
  codes: { 'rpo-breached': 'facts', 'rpo-at-risk': 'facts' },
  find: pointConditions,
};

function pointConditions(facts: Facts): Condition<Code>[] {
  const { ageHours, ageMs, ambiguous, met, newest, passedOver } = recoveryPointOf(facts);
  const hint =
    'See the last runs in the status. Take a snapshot now: `npx soulcaster-backup backup --env-file .env`, with --local if the queue is down.';
  const but = passedOver.length === 0 ? '' : ` Newer ones do not count: ${passedOverText(passedOver)}.`;
  const condition = (code: Code, message: string): Condition<Code>[] => [
    { code, subject: 'database', message: `${message}${but}`, hint },
  ];
  if (ambiguous) {
    return condition(
      'rpo-breached',
      'The store holds snapshots of several databases, and UPSTASH_REDIS_REST_URL is not set here.',
    );
  }
  if (ageMs === null || ageHours === null) {
    return condition('rpo-breached', 'There is no verified snapshot of the database.');
  }
  const words = `The newest verified snapshot, ${newest?.id ?? ''}, is ${ageHours} hours old`;
  if (!met) return condition('rpo-breached', `${words}; the objective is 24.`);
  return ageMs > AT_RISK_MS ? condition('rpo-at-risk', `${words}: a run is missing. The objective is 24.`) : [];
}

/** Number of snapshots that do not count which an alert names. */
const MAX_NAMED = 3;

function passedOverText(passedOver: readonly PassedOver[]): string {
  const more = passedOver.length > MAX_NAMED ? `; and ${passedOver.length - MAX_NAMED} more` : '';
  return `${passedOver.slice(0, MAX_NAMED).map(passedOverWords).join('; ')}${more}`;
}
