import type { IgnoredObject } from '../../control/authenticated-store.js';
import { leaseObject } from '../../runs/lease-document.js';
import { unlockCommand } from '../../runs/lease.js';
import type { Facts } from '../facts.js';
import type { Condition } from './condition.js';
import type { AlertSource } from './source.js';

/** How many objects an alert names. */
const NAMED = 5;
const BUCKET = 'see who can write to the bucket, and remove them or bring back their older versions';

const REASONS: Readonly<Record<IgnoredObject['why'], { readonly words: string; readonly hint: string }>> = {
  unsigned: {
    words: 'carry no signature although a signing key is set',
    hint: `If they are from before the key was set, have the snapshots verified and all of it believed: \`npx soulcaster-backup snapshots adopt --unsigned --reason TEXT --env-file .env\`. Else somebody wrote them: ${BUCKET}.`,
  },
  forged: {
    words: 'are not signed with an accepted key over their content',
    hint: `If the key was changed, put the old public key into BACKUP_SIGNING_PUBLIC_KEY beside the new one. Else somebody altered them: ${BUCKET}.`,
  },
  'other-key': {
    words: 'are encrypted with a key that is not set here',
    hint: 'BACKUP_SIGNING_KEY or, where none is set, UPSTASH_REDIS_REST_TOKEN was changed, or is another here than where runs are moved. Runs that were under way then have to be started again.',
  },
  garbled: { words: 'are no JSON objects', hint: `They were cut or overwritten: ${BUCKET}.` },
  unreadable: {
    words: 'are of a form, kind or version that is not known here',
    hint: `If a newer version of soulcaster-backup wrote them, use that version here too. Else: ${BUCKET}.`,
  },
};

/** Whether an alert says that control state does not count. */
export function isOfControl({ code }: { readonly code: string }): boolean {
  return Object.hasOwn(CONTROL_ALERTS.codes, code);
}

type Code = 'control-state-ignored' | 'lease-unreadable';

export const CONTROL_ALERTS: AlertSource<Code> = {
  codes: { 'control-state-ignored': 'all-facts', 'lease-unreadable': 'facts' },
  find: controlConditions,
};

/** What there is to tell of control objects that do not count, one alert for each reason, and of unreadable leases. */
function controlConditions({
  ignored,
  unreadableLeases,
}: Pick<Facts, 'ignored' | 'unreadableLeases'>): Condition<Code>[] {
  const leases = unreadableLeases.map((name): Condition<Code> => ({
    code: 'lease-unreadable',
    subject: name,
    message: `The lease ${leaseObject(name)} cannot be read, so it is not known who holds it: runs that need it wait until it has stood unchanged for its time.`,
    hint: `If nothing is running, end it: \`${unlockCommand(name)}\`. Then see who can write to the bucket.`,
  }));
  return [...Object.keys(REASONS).flatMap((why) => ofReason(ignored, why as IgnoredObject['why'])), ...leases];
}

function ofReason(ignored: readonly IgnoredObject[], why: IgnoredObject['why']): Condition<Code>[] {
  const names = ignored.filter((each) => each.why === why).map(({ object }) => object);
  if (names.length === 0) return [];
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  const { words, hint } = REASONS[why];
  const message = `Objects in the store ${words}, and are taken as absent: ${names.sort().slice(0, NAMED).join(', ')}${more}.`;
  return [{ code: 'control-state-ignored', subject: why, message, hint }];
}
