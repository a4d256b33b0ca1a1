import { purposeOf } from '../snapshot/manifest.js';
import type { RetentionEntry, Situation } from './policy.js';

/**
 * Why nothing may be removed, or null. `lists` are views of the same snapshots, newest first, with and without those
 * that may be forged: a doubt in any of them is one.
 */
export function reasonToHold(lists: readonly (readonly RetentionEntry[])[], situation: Situation): string | null {
  if (situation.ambiguous === true) return 'there are snapshots of several databases, and none is configured here';
  if (situation.lastRunsFailed) return 'none of the last three snapshot runs succeeded';
  for (const list of lists) {
    const doubt = suspicion(list);
    if (doubt !== null) return doubt;
  }
  return null;
}

/**
 * A newest snapshot with less than half of the keys may be what an accident left: then older ones are what counts. Those
 * that say so themselves are doubtful, and take no slot; this is for those that older versions took.
 */
function suspicion(newestFirst: readonly RetentionEntry[]): string | null {
  const newest = newestFirst.find(isComplete);
  if (newest === undefined || newest.accepted !== null) return null;
  const before = newestFirst.find((entry) => entry.id < newest.id && entry.state === 'trusted');
  const [now, then] = [newest.manifest?.counts.keys ?? 0, before?.manifest?.counts.keys ?? 0];
  if (before === undefined || now * 2 >= then) return null;
  return `the newest snapshot ${newest.id} has ${now} keys, ${before.id} before it had ${then}`;
}

function isComplete({ manifest, state }: RetentionEntry): boolean {
  return state !== 'doubtful' && manifest?.state === 'complete' && purposeOf(manifest) === 'backup';
}
