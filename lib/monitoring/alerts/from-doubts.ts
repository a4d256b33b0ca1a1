import type { CatalogEntry } from '../../snapshot/catalog.js';
import { assessBeside } from '../../snapshot/latest.js';
import { assess } from '../../snapshot/trust.js';
import { HIDDEN_WORDS } from '../../control/hidden.js';
import type { Unfinished } from '../../snapshot/unfinished-marks.js';
import type { Facts } from '../facts.js';
import { recoveryPointOf } from '../recovery-point.js';
import type { Condition } from './condition.js';
import type { AlertSource } from './source.js';

const WEEK_MS = 7 * 24 * 3_600_000;
const ADOPT = '`npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env`';

type Code = 'snapshot-doubtful' | 'restore-unfinished' | 'snapshot-untrusted';

/** Of snapshots that are not taken for what they seem, and of what makes them so. */
export const DOUBT_ALERTS: AlertSource<Code> = {
  codes: { 'snapshot-doubtful': 'facts', 'restore-unfinished': 'facts', 'snapshot-untrusted': 'facts' },
  oneEvent: ['snapshot-doubtful'],
  find: (facts) => [...doubtful(facts), ...shrinking(facts), ...unfinished(facts), ...untrusted(facts)],
};

/** Those newer than `latest`: an older one is history. */
function doubtful(facts: Facts): Condition<Code>[] {
  const found = recoveryPointOf(facts).passedOver.filter(({ state }) => state === 'doubtful');
  const [newest] = found;
  if (newest === undefined) return [];
  const more = found.length > 1 ? ` ${found.length - 1} before it are doubtful as well.` : '';
  return [
    {
      code: 'snapshot-doubtful',
      subject: 'database',
      message: `Snapshot ${newest.id} is doubtful and not \`latest\`: ${newest.reasons.join('; ')}.${more}`,
      hint: `If data were lost, stop what deletes them and restore: \`npx soulcaster-backup restore latest --env-file .env\`. If the database is meant to be so: \`npx soulcaster-backup snapshots accept ${newest.id} --reason TEXT --env-file .env\`.`,
    },
  ];
}

/** What each snapshot alone does not show: most of the keys went away within a week, little by little or unnoticed. */
function shrinking(facts: Facts): Condition<Code>[] {
  const { entries, now, trust } = facts;
  const { passedOver } = recoveryPointOf(facts);
  const trusted = (entry: CatalogEntry): boolean => assessBeside(entry, passedOver, trust).state === 'trusted';
  const known = entries.filter(trusted);
  // An accepted snapshot is as it should be: what was there before it is no measure any more.
  const acceptedAt = known.findIndex(({ accepted, sha256 }) => accepted?.manifestSha256 === sha256);
  const [newest, ...earlier] = acceptedAt < 0 ? known : known.slice(0, acceptedAt + 1);
  if (newest === undefined) return [];
  const recent = earlier.filter(({ manifest }) => now - Date.parse(manifest?.window.from ?? '') <= WEEK_MS);
  const keysOf = ({ manifest }: CatalogEntry): number => manifest?.counts.keys ?? 0;
  const [largest] = recent.sort((a, b) => keysOf(b) - keysOf(a));
  if (largest === undefined || keysOf(newest) >= keysOf(largest) / 2) return [];
  return [
    {
      code: 'snapshot-doubtful',
      subject: 'week',
      // It names nothing that the next snapshot changes: an acknowledgement holds as long as the message stays the same.
      message: `The newest snapshot has less than half of the ${keysOf(largest)} keys that snapshot ${largest.id} had within the week before.`,
      hint: `\`npx soulcaster-backup snapshots list --env-file .env\` shows the counts. If data was lost, stop what deletes it and restore. If the database is meant to be so: \`npx soulcaster-backup alerts ack snapshot-doubtful --reason TEXT --env-file .env\`.`,
    },
  ];
}

function unfinished({ entries, unfinished: marks, restoring }: Facts): Condition<Code>[] {
  return marks
    .filter(({ run }) => run !== restoring)
    .map((mark) => ({
      code: 'restore-unfinished' as const,
      subject: mark.run,
      message: `${capital(mark.kind)} ${mark.run} of ${scopeWords(mark)} began to write into the database at ${mark.since} and is not known to have ended well: the data may be partly old and partly restored.`,
      hint: `Finish it: ${isGone(mark, entries) ? '' : `${commandOf(mark)}, or `}\`npx soulcaster-backup restore latest --env-file .env\`. Until then no snapshot of the database is \`latest\`. If the data are as they should be, take one with \`npx soulcaster-backup backup --env-file .env\` and accept it.`,
    }));
}

/** Whether the command that finishes it names a snapshot of this store that is there no more. */
function isGone({ hint, snapshot }: Unfinished, entries: Facts['entries']): boolean {
  if (snapshot === undefined || hint?.includes(`restore ${snapshot}`) !== true) return false;
  return !hint.includes('--replica') && !entries.some(({ id }) => id === snapshot);
}

/** What was broken off, as it was asked for. Older marks, and those that are encrypted with another secret, do not say. */
function commandOf({ hint, kind, run }: Unfinished): string {
  if (hint !== undefined && hint !== HIDDEN_WORDS) return hint;
  return `start the same ${kind} again (\`npx soulcaster-backup run ${run} --env-file .env\` shows what it was asked)`;
}

/** Of our own database: that others write into the same store is no fault of theirs. */
function untrusted({ entries, trust }: Facts): Condition<Code>[] {
  const found = entries
    .filter(({ manifest }) => manifest !== null && (trust.sources?.has(manifest.source) ?? true))
    .map((entry) => ({ id: entry.id, ...assess(entry, trust) }))
    .filter(({ state }) => state === 'untrusted');
  const [newest] = found;
  if (newest === undefined) return [];
  const more = found.length > 1 ? ` and ${found.length - 1} more` : '';
  return [
    {
      code: 'snapshot-untrusted',
      subject: 'store',
      message: `Snapshot ${newest.id}${more} is not believed: ${newest.reasons.join('; ')}.`,
      hint: `If it is from before a signing key was set, have such ones verified in full: ${ADOPT}. If the key was changed, put the old public key into BACKUP_SIGNING_PUBLIC_KEY beside the new one. Else somebody wrote it: see who can write to the bucket.`,
    },
  ];
}

function scopeWords({ kinds, scope }: Unfinished): string {
  if (kinds !== undefined) return 'items' in kinds ? 'items of feedback' : 'some keys';
  return 'all' in scope ? 'everything' : 'one project';
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
