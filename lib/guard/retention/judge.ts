import { timeOfId } from '../../runs/ids.js';
import { isVerified } from '../../snapshot/catalog.js';
import { reasonToHold } from './hold.js';
import type { Decision, Judgement, Policy, Reason, RetentionEntry, Situation } from './policy.js';
import { applyRules } from './rules.js';

const DAY_MS = 24 * 3_600_000;

/**
 * Decides which snapshots stay: grandfather-father-son over those that are complete and verified. A snapshot is as old
 * as its id says, and ages are counted to the newest verified one, so that no clock alone removes anything. What is
 * dated in the future stays and takes no slot. The rules are applied twice, to all and to those that are certainly
 * ours, and each keeps what it keeps: a forged snapshot never takes the place of a real one.
 */
export function judge(entries: readonly RetentionEntry[], policy: Policy, situation: Situation): Judgement {
  const newestFirst = [...entries].sort((a, b) => (a.id < b.id ? 1 : -1));
  const present = newestFirst.filter(({ id }) => timeOfId(id) <= situation.now);
  const lists = [present, present.filter(({ vouched }) => vouched)];
  const newest = present.find(isVerified);
  const reference = newest === undefined ? null : timeOfId(newest.id);
  const held =
    reference === null
      ? 'there is no verified snapshot'
      : reasonToHold([newestFirst, newestFirst.filter(({ vouched }) => vouched), ...lists], situation);
  const kept = keptBySlots([newestFirst, ...lists], lists, policy);
  const decisions = newestFirst.map((entry): Decision => {
    const reasons = [...(kept.get(entry.id) ?? []), ...otherReasons(entry, policy, situation, reference)];
    if (held !== null) reasons.push('held');
    if (reasons.length > 0) return { id: entry.id, keep: true, reasons };
    return { id: entry.id, keep: false, reasons: [isVerified(entry) ? 'no-rule' : 'aside-over'] };
  });
  return { held, reference, decisions };
}

/** `views` each have a newest verified one, which stays; the rules hold for `ruled`. */
function keptBySlots(
  views: readonly (readonly RetentionEntry[])[],
  ruled: readonly (readonly RetentionEntry[])[],
  policy: Policy,
): Map<string, Set<Reason>> {
  const kept = new Map<string, Set<Reason>>();
  const note = (id: string, reason: Reason): void => void kept.set(id, (kept.get(id) ?? new Set()).add(reason));
  for (const view of views) {
    const newest = view.find(isVerified);
    if (newest !== undefined) note(newest.id, 'newest-verified');
  }
  for (const view of ruled) {
    const ids = view.filter(isVerified).map(({ id }) => id);
    applyRules(ids, policy, note);
  }
  return kept;
}

/** Reasons that have nothing to do with slots. */
function otherReasons(
  entry: RetentionEntry,
  policy: Policy,
  { now, inUse }: Situation,
  reference: number | null,
): Reason[] {
  const reasons: Reason[] = [];
  if (inUse.has(entry.id)) reasons.push('in-use');
  // Also where the id is no time at all.
  if (!(timeOfId(entry.id) <= now)) reasons.push('future');
  if (entry.newerFormat) reasons.push('newer-format');
  if (isVerified(entry)) return reasons;
  const since = asideSince(entry);
  if (since === null) reasons.push('not-checked');
  else if (reference !== null && reference - since < policy.asideDays * DAY_MS) reasons.push('aside');
  return reasons;
}

/**
 * Since when a snapshot that takes no slot has been known as such. Null when nobody has looked yet: an old one whose
 * manifest cannot be read may be mended from the bucket's versions, so its age alone does not remove it.
 */
function asideSince({ id, manifest, verification }: RetentionEntry): number | null {
  if (verification?.state === 'damaged') {
    const found = Date.parse(verification.at);
    return Number.isNaN(found) ? null : Math.max(timeOfId(id), found);
  }
  return manifest?.purpose === 'safety' || manifest?.state === 'incomplete' ? timeOfId(id) : null;
}
