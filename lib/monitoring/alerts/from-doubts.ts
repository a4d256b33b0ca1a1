import { HIDDEN_WORDS } from '../../control/encryption.js';
import type { CatalogEntry } from '../../snapshot/catalog.js';
import { assessWithPassedOver } from '../../snapshot/latest.js';
import { assess } from '../../snapshot/trust.js';
import type { Unfinished } from '../../snapshot/unfinished-marks.js';
import { ownEntries, type Facts } from '../facts.js';
import { recoveryPointOf } from '../objectives.js';
import type { AlertSource, Condition } from './condition.js';

const WEEK_MS = 7 * 24 * 3_600_000;
const ADOPT = '`npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`';

type Code = 'snapshot-doubtful' | 'restore-unfinished' | 'snapshot-untrusted';

/** Alerts of doubtful and untrusted snapshots, and of unfinished restores. */
export const DOUBT_ALERTS: AlertSource<Code> = {
  codes: { 'snapshot-doubtful': 'facts', 'restore-unfinished': 'facts', 'snapshot-untrusted': 'facts' },
  oneEvent: ['snapshot-doubtful'],
  find: (facts) => [...findDoubtful(facts), ...findShrinking(facts), ...findUnfinished(facts), ...findUntrusted(facts)],
};

/** Doubtful snapshots newer than `latest`; older ones no longer matter. */
function findDoubtful(facts: Facts): Condition<Code>[] {
  const found = recoveryPointOf(facts).passedOver.filter(({ state }) => state === 'doubtful');
  const [newest] = found;
  if (newest === undefined) return [];
  const more = found.length > 1 ? ` ${found.length - 1} before it are doubtful as well.` : '';
  return [
    {
      code: 'snapshot-doubtful',
      subject: 'database',
      message: `Snapshot ${newest.id} is doubtful and not \`latest\`: ${newest.reasons.join('; ')}.${more}`,
      hint: `If data was lost, stop whatever deletes it and restore: \`npx soulcaster-backup restore latest --env-file .env\`. If the change is intended, accept the snapshot: \`npx soulcaster-backup snapshots accept ${newest.id} --reason TEXT --env-file .env\`.`,
    },
  ];
}

/** Most keys disappeared within a week, too gradually for a single snapshot to show. */
function findShrinking(facts: Facts): Condition<Code>[] {
  const { entries, now, trust } = facts;
  const { passedOver } = recoveryPointOf(facts);
  const isTrusted = (entry: CatalogEntry): boolean =>
    assessWithPassedOver(entry, passedOver, trust).state === 'trusted';
  const trusted = entries.filter(isTrusted);
  // The keys of an accepted snapshot are as intended: snapshots before it are no measure for later ones.
  const acceptedAt = trusted.findIndex(({ accepted, sha256 }) => accepted?.manifestSha256 === sha256);
  const [newest, ...earlier] = acceptedAt < 0 ? trusted : trusted.slice(0, acceptedAt + 1);
  if (newest === undefined) return [];
  const recent = earlier.filter(({ manifest }) => now - Date.parse(manifest?.window.from ?? '') <= WEEK_MS);
  const keysOf = ({ manifest }: CatalogEntry): number => manifest?.counts.keys ?? 0;
  const [largest] = recent.sort((a, b) => keysOf(b) - keysOf(a));
  if (largest === undefined || keysOf(newest) >= keysOf(largest) / 2) return [];
  return [
    {
      code: 'snapshot-doubtful',
      subject: 'week',
      // Nothing in the message changes with the next snapshot: an acknowledgement holds as long as the message is the same.
      message: `The newest snapshot has less than half of the ${keysOf(largest)} keys that snapshot ${largest.id} had within the week before.`,
      hint: '`npx soulcaster-backup snapshots list --env-file .env` shows the counts. If data was lost, stop whatever deletes it and restore. If the database is meant to be so: `npx soulcaster-backup alerts ack snapshot-doubtful --reason TEXT --env-file .env`.',
    },
  ];
}

function findUnfinished({ entries, unfinished: marks, restoring }: Facts): Condition<Code>[] {
  return marks
    .filter(({ run }) => run !== restoring)
    .map((mark) => ({
      code: 'restore-unfinished' as const,
      subject: mark.run,
      message: `${capitalize(mark.kind)} ${mark.run} of ${scopeWords(mark)} began to write to the database at ${mark.since} and is not known to have succeeded: the data may be partly old and partly restored.`,
      hint: `Finish it: ${isGone(mark, entries) ? '' : `${commandOf(mark)}, or `}\`npx soulcaster-backup restore latest --env-file .env\`. Until then no new snapshot of the database becomes \`latest\`. If the data is correct, take a snapshot with \`npx soulcaster-backup backup --env-file .env\` and accept it.`,
    }));
}

/** Whether the command that finishes the restore names a snapshot that is no longer in this store. */
function isGone({ hint, snapshot }: Unfinished, entries: Facts['entries']): boolean {
  if (snapshot === undefined || hint?.includes(`restore ${snapshot}`) !== true) return false;
  return !hint.includes('--replica') && !entries.some(({ id }) => id === snapshot);
}

/** The command that starts the run again. Older marks and marks encrypted with another secret do not contain it. */
function commandOf({ hint, kind, run }: Unfinished): string {
  if (hint !== undefined && hint !== HIDDEN_WORDS) return hint;
  return `start the same ${kind} again (\`npx soulcaster-backup run ${run} --env-file .env\` shows its options)`;
}

function findUntrusted(facts: Facts): Condition<Code>[] {
  const found = ownEntries(facts)
    .filter(({ manifest }) => manifest !== null)
    .map((entry) => ({ id: entry.id, ...assess(entry, facts.trust) }))
    .filter(({ state }) => state === 'untrusted');
  const [newest] = found;
  if (newest === undefined) return [];
  const more = found.length > 1 ? ` and ${found.length - 1} more` : '';
  return [
    {
      code: 'snapshot-untrusted',
      subject: 'store',
      message: `Snapshot ${newest.id}${more} is not trusted: ${newest.reasons.join('; ')}.`,
      hint: `If it was taken before a signing key was set, verify and adopt such snapshots: ${ADOPT}. If the key was changed, add the old public key to BACKUP_SIGNING_PUBLIC_KEY beside the new one. Otherwise it was forged: find out who can write to the bucket.`,
    },
  ];
}

function scopeWords({ kinds, scope }: Unfinished): string {
  if (kinds !== undefined) return 'items' in kinds ? 'items of feedback' : 'some keys';
  return 'all' in scope ? 'everything' : 'one project';
}

function capitalize(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
