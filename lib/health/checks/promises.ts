import { groupOf, warn, type CheckGroup } from '../doctor.js';

/** A promise of this program that is not kept unless one of the variables is set. */
interface Promised {
  readonly name: string;
  readonly variables: readonly string[];
  readonly without: string;
  /** A further consequence if another variable is set. */
  readonly beside?: { readonly variable: string; readonly without: string };
}

const EMBEDDER = 'without-embedder';

const PROMISES: readonly Promised[] = [
  {
    name: 'without-queue',
    variables: ['QSTASH_TOKEN'],
    without:
      'a run ends with the function that began it: a large backup, restore or re-index is never finished on Vercel',
  },
  {
    name: 'without-cron',
    variables: ['CRON_SECRET'],
    without: 'the nightly backup and the guard are refused: no snapshot is taken by itself',
  },
  {
    name: 'without-alerts',
    variables: ['ALERT_WEBHOOK_URL'],
    without: 'nobody is told when a backup fails or a snapshot is damaged',
  },
  { name: 'without-heartbeat', variables: ['HEARTBEAT_URL'], without: 'nobody notices when nothing runs any more' },
  {
    name: 'without-encryption',
    variables: ['BACKUP_AGE_RECIPIENTS'],
    without: 'snapshots are in clear text for everybody who can read the store',
  },
  {
    name: 'without-signature',
    variables: ['BACKUP_SIGNING_KEY', 'BACKUP_SIGNING_PUBLIC_KEY'],
    without: 'everybody who can write to the store can forge a snapshot',
    beside: {
      variable: 'BACKUP_AGE_RECIPIENTS',
      without:
        'details of runs are encrypted with a key derived from UPSTASH_REDIS_REST_TOKEN, and a change of that token makes the details of earlier runs unreadable',
    },
  },
  {
    name: 'without-replica',
    variables: ['BACKUP_REPLICA_STORE'],
    without: 'all copies are in one place and are lost with it',
  },
  {
    name: 'without-drill',
    variables: ['DRILL_REDIS_REST_URL'],
    without: 'restores are never rehearsed, and the recovery time is unknown',
  },
  { name: 'without-admin', variables: ['ADMIN_TOKEN'], without: 'operators are refused by the functions and the page' },
  {
    name: 'without-index',
    variables: ['UPSTASH_VECTOR_REST_URL'],
    without: 'vectors are not rebuilt after a restore',
  },
  { name: EMBEDDER, variables: ['GEMINI_API_KEY'], without: 'vectors are not rebuilt after a restore' },
];

/** Consequences if these variables are missing; null if no promise depends on them. */
export function costOfLacking(variables: readonly string[]): string | null {
  const costs = PROMISES.filter((one) => one.variables.some((name) => variables.includes(name)));
  return costs.length === 0 ? null : [...new Set(costs.map(({ without }) => without))].join('; ');
}

/** One warning for each promise not kept. `isSet`: whether a variable has a value; `embedderKeys`: the keys of all embedders. */
export function promiseChecks(
  isSet: (variable: string) => boolean,
  embedderKeys: readonly string[] = [],
): CheckGroup[] {
  const also = (beside: Promised['beside']): string =>
    beside !== undefined && isSet(beside.variable) ? `; ${beside.without}` : '';
  return PROMISES.filter(
    ({ name, variables }) => ![...variables, ...(name === EMBEDDER ? embedderKeys : [])].some(isSet),
  ).map(({ name, variables, without, beside }) =>
    groupOf(name, () =>
      Promise.resolve(
        warn(
          `${variables.join(' and ')} ${variables.length > 1 ? 'are' : 'is'} not set: ${without}${also(beside)}`,
          `Set ${variables[0] ?? ''} in .env and in the Vercel project (see .env.example), and deploy again.`,
        ),
      ),
    ),
  );
}
