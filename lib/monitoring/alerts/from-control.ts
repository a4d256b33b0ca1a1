import type { IgnoredObject } from '../../control/authenticated-store.js';
import { leaseObject } from '../../runs/lease-document.js';
import { unlockCommand } from '../../runs/lease.js';
import type { Facts } from '../facts.js';
import type { AlertSource, Condition } from './condition.js';

/** Number of objects that an alert names. */
const MAX_NAMED = 5;
const BUCKET = 'find out who can write to the bucket, and remove them or restore their older versions';

const REASONS: Readonly<Record<IgnoredObject['why'], { readonly words: string; readonly hint: string }>> = {
  unsigned: {
    words: 'have no signature although a signing key is set',
    hint: `If they were written before the key was set, verify the snapshots and adopt all of them: \`npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env\`. Otherwise they were forged: ${BUCKET}.`,
  },
  forged: {
    words: 'have no valid signature by an accepted key',
    hint: `If the key was changed, add the old public key to BACKUP_SIGNING_PUBLIC_KEY beside the new one. Otherwise they were altered: ${BUCKET}.`,
  },
  'other-key': {
    words: 'are encrypted with a key that is not set here',
    hint: 'BACKUP_SIGNING_KEY or, if none is set, UPSTASH_REDIS_REST_TOKEN was changed, or differs from the deployment that works on runs. Start runs again that were under way at the change.',
  },
  garbled: { words: 'are not JSON objects', hint: `They were truncated or overwritten: ${BUCKET}.` },
  unreadable: {
    words: 'have a form, kind or version that is unknown here',
    hint: `If a newer version of soulcaster-backup wrote them, use that version here too. Otherwise: ${BUCKET}.`,
  },
};

/** Whether an alert is about control objects. */
export function isOfControl({ code }: { readonly code: string }): boolean {
  return Object.hasOwn(CONTROL_ALERTS.codes, code);
}

type Code = 'control-state-ignored' | 'lease-unreadable';

export const CONTROL_ALERTS: AlertSource<Code> = {
  codes: { 'control-state-ignored': 'all-facts', 'lease-unreadable': 'facts' },
  find: controlConditions,
};

/** One alert for each reason why control objects are ignored, and one for each unreadable lease. */
function controlConditions({
  ignored,
  unreadableLeases,
}: Pick<Facts, 'ignored' | 'unreadableLeases'>): Condition<Code>[] {
  const leases = unreadableLeases.map((name): Condition<Code> => ({
    code: 'lease-unreadable',
    subject: name,
    message: `The lease ${leaseObject(name)} cannot be read, so its holder is unknown: runs that need it wait until it has been unchanged for its duration.`,
    hint: `If nothing is running, remove it: \`${unlockCommand(name)}\`. Then find out who can write to the bucket.`,
  }));
  return [...Object.keys(REASONS).flatMap((why) => ignoredConditions(ignored, why as IgnoredObject['why'])), ...leases];
}

function ignoredConditions(ignored: readonly IgnoredObject[], why: IgnoredObject['why']): Condition<Code>[] {
  const names = ignored.filter((each) => each.why === why).map(({ object }) => object);
  if (names.length === 0) return [];
  const more = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  const { words, hint } = REASONS[why];
  const message = `Objects in the store ${words} and are ignored: ${names.sort().slice(0, MAX_NAMED).join(', ')}${more}.`;
  return [{ code: 'control-state-ignored', subject: why, message, hint }];
}
