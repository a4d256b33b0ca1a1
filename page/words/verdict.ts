import type { Services, Status } from '../api/types.js';
import type { Tone } from './tone.js';
import type { Feed } from '../state/feed.js';
import { counted } from './format.js';

export interface Verdict {
  readonly tone: Tone;
  readonly headline: string;
  readonly detail: string;
}

/**
 * The answer to whether the data is safe. What is old or unknown is never called safe. `services`: which of them answered
 * when they were last asked; null when that is not known yet.
 */
export function verdictOf(
  { data, error }: Pick<Feed<Status>, 'data' | 'error'>,
  old: boolean,
  services: Services | null,
): Verdict {
  if (data === null) {
    if (error === null) return { tone: 'busy', headline: 'Looking…', detail: 'The status is being read.' };
    return { tone: 'warn', headline: 'Not known', detail: 'The status could not be read, so nothing can be said.' };
  }
  if (old) return { tone: 'warn', headline: 'Not known', detail: 'What is shown is old: it may be otherwise by now.' };
  const breached = breaches(data);
  if (breached.length > 0) return { tone: 'bad', headline: 'The data is at risk', detail: breached.join(' ') };
  const { length } = data.alerts;
  const failing = data.credentials.checks.filter((check) => check.status === 'fail').length;
  const silent = silentServices(services);
  if (length > 0 || failing > 0 || silent.length > 0)
    return { tone: 'warn', headline: 'The data is safe, but look', detail: toLookAt(length, failing, silent) };
  return { tone: 'good', headline: 'The data is safe', detail: wellWords(data) };
}

function wellWords({ recoveryTime }: Status): string {
  if (recoveryTime.met === true) return 'Both objectives are met.';
  return 'The backup is young enough. No drill has shown yet how long a restore takes.';
}

function breaches({ recoveryPoint, recoveryTime, state, unfinished = [] }: Status): string[] {
  const found: string[] = [];
  if (unfinished.some(({ underWay }) => !underWay)) found.push('A restore began to write and did not end.');
  if (!recoveryPoint.met) {
    found.push(
      recoveryPoint.ageHours === null
        ? 'There is no verified backup.'
        : `The newest verified backup is older than ${recoveryPoint.objectiveHours} h.`,
    );
  }
  if (recoveryTime.met === false) found.push(`A restore would take longer than ${recoveryTime.objectiveHours} h.`);
  if (found.length === 0 && state === 'degraded') found.push('The server says so; the panels below tell more.');
  return found;
}

const NAMES = { store: 'the store', redis: 'the database', vectors: 'the vector index' } as const;

function silentServices(services: Services | null): string[] {
  if (services === null) return [];
  const names = Object.keys(NAMES) as (keyof typeof NAMES)[];
  return names.filter((name) => services[name] === 'unavailable').map((name) => `${NAMES[name]} does not answer`);
}

function toLookAt(alerts: number, failing: number, silent: readonly string[]): string {
  const words = [
    ...(alerts > 0 ? [`${counted(alerts, 'alert')} open`] : []),
    ...(failing > 0 ? [`${counted(failing, 'credential')} failing`] : []),
    ...silent,
  ].join(', ');
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
