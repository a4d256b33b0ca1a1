import { timeOfId } from '../runs/ids.js';
import { purposeOf } from '../snapshot/manifest.js';
import { isFoundDamaged } from '../snapshot/trust.js';
import type { Decision, RetentionPlan, Policy, Reason, RetentionEntry, Situation } from './policy.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Decides which snapshots are kept: grandfather-father-son over complete, verified snapshots. The age of a snapshot is the
 * time from its id to the newest verified snapshot, so that no clock alone removes anything. Snapshots dated in the future
 * are kept and take no slot. The rules are applied twice, to all snapshots and to authentic ones, and each pass keeps
 * snapshots: a forged snapshot never takes the slot of a real one.
 */
export function applyPolicy(entries: readonly RetentionEntry[], policy: Policy, situation: Situation): RetentionPlan {
  const all = [...entries].sort((a, b) => (a.id < b.id ? 1 : -1));
  const newestFirst = all.filter(({ ours }) => ours);
  const present = newestFirst.filter(({ id }) => timeOfId(id) <= situation.now);
  const lists = [present, present.filter(({ isAuthentic }) => isAuthentic)];
  const newest = present.find(isTrusted);
  const reference = newest === undefined ? null : timeOfId(newest.id);
  const held =
    reference === null
      ? 'there is no verified snapshot'
      : reasonToHold([newestFirst, newestFirst.filter(({ isAuthentic }) => isAuthentic), ...lists], situation);
  const kept = keptBySlots([newestFirst, ...lists], lists, policy);
  const doubtful = keptDoubtful(present, policy, reference);
  const surplus = surplusIncomplete(present, reference);
  const keptIfWhole = idsKeptIfWhole(entries, policy, situation);
  const decisions = all.map((entry): Decision => {
    if (!entry.ours) {
      const pinned = situation.pinned?.has(entry.id) === true;
      return { id: entry.id, keep: true, reasons: pinned ? ['other-source', 'pinned'] : ['other-source'] };
    }
    const isSurplus = surplus.has(entry.id);
    const others = otherReasons(entry, policy, situation, reference).filter((reason) => {
      if (reason === 'aside') return !isSurplus;
      return reason !== 'not-checked' || !lacksParts(entry) || keptIfWhole.has(entry.id);
    });
    const reasons = [...new Set([...(kept.get(entry.id) ?? []), ...others])];
    if (doubtful.has(entry.id)) reasons.push('doubtful');
    // Runs that end incomplete hold removals, and would add a snapshot each day without an end.
    if (held !== null && !(isSurplus && held === RUNS_FAILED)) reasons.push('held');
    if (reasons.length > 0) return { id: entry.id, keep: true, reasons };
    return { id: entry.id, keep: false, reasons: [isTrusted(entry) ? 'no-rule' : 'aside-over'] };
  });
  return { held, reference, decisions };
}

/**
 * Snapshots with missing parts that the rules would keep if they were whole. The others were to be removed anyway: a prune of
 * a full store removes parts first, and may have died before it removed the rest.
 */
function idsKeptIfWhole(entries: readonly RetentionEntry[], policy: Policy, situation: Situation): Set<string> {
  if (!entries.some(lacksParts)) return new Set();
  const whole = entries.map((entry) => {
    if (!lacksParts(entry)) return entry;
    const { manifest, state } = entry;
    const isBackup = manifest !== null && manifest.state === 'complete' && purposeOf(manifest) === 'backup';
    return { ...entry, missingParts: 0, state: isBackup ? 'trusted' : state };
  });
  const { decisions } = applyPolicy(whole, policy, situation);
  return new Set(decisions.filter(({ keep }) => keep).map(({ id }) => id));
}

/** Whether parts have gone missing since the snapshot was verified. An unverified snapshot has not been checked yet. */
function lacksParts({ missingParts, verification }: RetentionEntry): boolean {
  return missingParts > 0 && verification?.state === 'verified';
}

/** Keeps the newest verified snapshot of each of `views`, and applies the rules to each of `ruled`. */
function keptBySlots(
  views: readonly (readonly RetentionEntry[])[],
  ruled: readonly (readonly RetentionEntry[])[],
  policy: Policy,
): Map<string, Set<Reason>> {
  const kept = new Map<string, Set<Reason>>();
  const note = (id: string, reason: Reason): void => void kept.set(id, (kept.get(id) ?? new Set()).add(reason));
  for (const view of views) {
    const newest = view.find(isTrusted);
    if (newest !== undefined) note(newest.id, 'newest-verified');
  }
  for (const view of ruled) {
    const ids = view.filter(isTrusted).map(({ id }) => id);
    applyRules(ids, policy, note);
  }
  return kept;
}

/** Reasons to keep a snapshot that are independent of slots. */
function otherReasons(
  entry: RetentionEntry,
  policy: Policy,
  { now, inUse, latest, pinned }: Situation,
  reference: number | null,
): Reason[] {
  const reasons: Reason[] = [];
  if (entry.id === latest) reasons.push('newest-verified');
  if (inUse.has(entry.id)) reasons.push('in-use');
  if (pinned?.has(entry.id) === true) reasons.push('pinned');
  // Also true if the id contains no valid time.
  if (!(timeOfId(entry.id) <= now)) reasons.push('future');
  if (entry.newerFormat) reasons.push('newer-format');
  if (isTrusted(entry)) return reasons;
  if (entry.state === 'untrusted') reasons.push('untrusted');
  if (entry.state === 'doubtful') return reasons;
  const since = asideSince(entry);
  if (since === null) reasons.push('not-checked');
  else if (reference !== null && reference - since < policy.asideDays * DAY_MS) reasons.push('aside');
  return reasons;
}

/**
 * When a snapshot was found not to take a slot; null if it has not been checked yet. An old snapshot with an unreadable
 * manifest or missing parts may be repaired from the bucket's versions, so its age alone does not remove it.
 */
function asideSince(entry: RetentionEntry): number | null {
  const { id, manifest, verification } = entry;
  if (lacksParts(entry)) return null;
  if (verification !== null && isFoundDamaged(entry)) {
    const found = Date.parse(verification.at);
    return Number.isNaN(found) ? null : Math.max(timeOfId(id), found);
  }
  const isAside = manifest !== null && (purposeOf(manifest) !== 'backup' || manifest.state === 'incomplete');
  return isAside ? timeOfId(id) : null;
}

/** The most doubtful snapshots that are kept, and the most incomplete ones since the last trusted one, each with the oldest. */
const MOST_ASIDE = 10;

/**
 * Doubtful snapshots take no slots. The newest are kept, and the oldest since the last trusted snapshot, which is closest to
 * the cause of the doubt. Ages are counted to the last trusted snapshot, which stays the same while doubts last, so the number
 * is limited as well.
 */
function keptDoubtful(
  newestFirst: readonly RetentionEntry[],
  { asideDays }: Policy,
  reference: number | null,
): ReadonlySet<string> {
  const doubtful = newestFirst.filter(({ state }) => state === 'doubtful').map(({ id }) => id);
  const young = doubtful.filter((id) => reference === null || reference - timeOfId(id) < asideDays * DAY_MS);
  const first = young.filter((id) => reference === null || timeOfId(id) >= reference).at(-1);
  return new Set([
    ...young.slice(0, first === undefined ? MOST_ASIDE : MOST_ASIDE - 1),
    ...(first === undefined ? [] : [first]),
  ]);
}

/**
 * Incomplete snapshots since the last trusted one that are too many, for the same reason: all but the newest and the oldest.
 * None without a trusted snapshot.
 */
function surplusIncomplete(newestFirst: readonly RetentionEntry[], reference: number | null): ReadonlySet<string> {
  const isSince = ({ id, state }: RetentionEntry): boolean =>
    state === 'incomplete' && reference !== null && timeOfId(id) >= reference;
  return new Set(
    newestFirst
      .filter(isSince)
      .slice(MOST_ASIDE - 1, -1)
      .map(({ id }) => id),
  );
}

function isTrusted({ state }: RetentionEntry): boolean {
  return state === 'trusted';
}

const RUNS_FAILED = 'none of the last three snapshot runs succeeded';

/**
 * Why nothing may be removed, or null. `lists` are views of the same snapshots, newest first, with and without those that
 * may be forged: a doubt about any view counts.
 */
function reasonToHold(lists: readonly (readonly RetentionEntry[])[], situation: Situation): string | null {
  if (situation.ambiguous === true)
    return 'there are snapshots of several databases, and no database is configured here';
  if (situation.lastRunsFailed) return RUNS_FAILED;
  for (const list of lists) {
    const doubt = reasonToDoubt(list);
    if (doubt !== null) return doubt;
  }
  return null;
}

/**
 * A newest snapshot with less than half of the keys may show data loss: older snapshots are then needed. New snapshots record
 * this themselves, are doubtful and take no slot; this check is for snapshots of older versions.
 */
function reasonToDoubt(newestFirst: readonly RetentionEntry[]): string | null {
  const newest = newestFirst.find(isComplete);
  if (newest === undefined || newest.accepted !== null) return null;
  const before = newestFirst.find((entry) => entry.id < newest.id && entry.state === 'trusted');
  const [now, then] = [newest.manifest?.counts.keys ?? 0, before?.manifest?.counts.keys ?? 0];
  if (before === undefined || now * 2 >= then) return null;
  return `the newest snapshot ${newest.id} has ${now} keys, ${before.id} before it has ${then}`;
}

function isComplete({ manifest, state }: RetentionEntry): boolean {
  return state !== 'doubtful' && manifest?.state === 'complete' && purposeOf(manifest) === 'backup';
}

/** 1970-01-01 was a Thursday, three days after the Monday that began its ISO week. */
const DAYS_AFTER_MONDAY = 3;

/** Days since the epoch, UTC. */
export function dayOf(time: number): number {
  return Math.floor(time / DAY_MS);
}

/** ISO weeks since the week of the epoch: each begins on a Monday, also across the end of a year. */
export function weekOf(time: number): number {
  return Math.floor((dayOf(time) + DAYS_AFTER_MONDAY) / 7);
}

/** Months since the year 0, UTC. */
export function monthOf(time: number): number {
  const date = new Date(time);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

type Note = (id: string, reason: Reason) => void;

/**
 * Calls `note` for each snapshot that a rule keeps; `ids` are sorted, newest first. The oldest is kept while a rule has slots
 * left, so that a young history reaches back as far as possible.
 */
function applyRules(ids: readonly string[], policy: Policy, note: Note): void {
  const newest = timeOfId(ids[0] ?? '');
  for (const id of ids.slice(0, policy.keepLast)) note(id, 'last');
  for (const id of ids) if (newest - timeOfId(id) < policy.keepWithinHours * HOUR_MS) note(id, 'within');
  keepByPeriod(ids, policy.keepDaily, dayOf, 'daily', note);
  keepByPeriod(ids, policy.keepWeekly, weekOf, 'weekly', note);
  keepByPeriod(ids, policy.keepMonthly, monthOf, 'monthly', note);
}

function keepByPeriod(
  ids: readonly string[],
  slots: number,
  periodOf: (time: number) => number,
  reason: Reason,
  note: Note,
): void {
  let last: number | null = null;
  let left = slots;
  for (const id of ids) {
    const period = periodOf(timeOfId(id));
    if (left === 0) return;
    if (period === last) continue;
    note(id, reason);
    last = period;
    left -= 1;
  }
  const oldest = ids.at(-1);
  if (left > 0 && oldest !== undefined) note(oldest, 'oldest');
}
