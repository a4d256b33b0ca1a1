import type { ListedSnapshot, RunState, RunSummary, SnapshotDetail, ProjectRow, Status } from '../api/types.js';
import { count, formatPercent } from './format.js';

/** The colour of a state; it is always shown with a sign and a word. */
export type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'plain';

/** The state of a snapshot: the worst that is known. */
type SnapshotLabel =
  | 'verified'
  | 'not checked'
  | 'doubtful'
  | 'future'
  | 'foreign'
  | 'incomplete'
  | 'unreadable'
  | 'untrusted'
  | 'damaged';

type Lacking = Pick<ListedSnapshot, 'failed' | 'unexplained' | 'unsupported'>;
type Assessed = Pick<ListedSnapshot | SnapshotDetail, 'state' | 'trust' | 'verification'>;

export function labelOf({ state, trust, verification }: Assessed): SnapshotLabel {
  if (trust === 'doubtful' || trust === 'future' || trust === 'foreign' || trust === 'untrusted') return trust;
  if (trust === 'damaged' || verification?.state === 'damaged') return 'damaged';
  if (state !== 'complete') return state;
  return verification === null ? 'not checked' : 'verified';
}

export const LABEL_TONES: Readonly<Record<SnapshotLabel, Tone>> = {
  verified: 'good',
  'not checked': 'plain',
  doubtful: 'warn',
  future: 'warn',
  foreign: 'plain',
  incomplete: 'warn',
  unreadable: 'bad',
  untrusted: 'bad',
  damaged: 'bad',
};

const RUN_TONES: Readonly<Record<RunState, Tone>> = {
  running: 'busy',
  waiting: 'busy',
  succeeded: 'good',
  incomplete: 'warn',
  failed: 'bad',
};

/** A run that succeeded with a reservation, such as a doubtful snapshot, is a warning. */
export function runTone({ error, state }: Pick<RunSummary, 'state' | 'error'>): Tone {
  return state === 'succeeded' && error !== null ? 'warn' : RUN_TONES[state];
}

const RESTORABLE: ReadonlySet<SnapshotLabel> = new Set(['verified', 'not checked', 'doubtful', 'future', 'foreign']);

/** Whether a restore may use the snapshot; an incomplete one only if it lacks nothing but keys of unsupported types. */
export function isRestorable(snapshot: Assessed & Lacking): boolean {
  const label = labelOf(snapshot);
  const { failed, unexplained, unsupported } = snapshot;
  if (label === 'incomplete') return failed === 0 && (unexplained ?? 0) === 0 && (unsupported ?? 0) > 0;
  return RESTORABLE.has(label);
}

/** Texts of the retention policy's reasons for keeping a snapshot. */
const KEPT: Readonly<Record<string, string>> = {
  last: 'one of the newest',
  within: 'of the last days',
  daily: 'of its day',
  weekly: 'of its week',
  monthly: 'of its month',
  oldest: 'the oldest',
  'newest-verified': 'latest',
  'in-use': 'in use by a run, or needed by an unfinished restore',
  pinned: 'pinned',
  future: 'dated in the future',
  'newer-format': 'of a newer version',
  'not-checked': 'not checked',
  aside: 'kept aside for a while',
  doubtful: 'doubtful',
  untrusted: 'not trusted',
  'other-source': 'of another database',
  held: 'nothing is removed now',
};

/** Why a snapshot is kept; empty when no rule keeps it. */
export function describeKept(reasons: readonly string[]): string {
  return reasons.flatMap((reason) => KEPT[reason] ?? []).join(', ');
}

/** The share of items with a vector. Vectors without an item are a warning as well; null is not known. */
export function coverageOf({ items, pending, vectors }: Pick<ProjectRow, 'items' | 'pending' | 'vectors'>): {
  readonly tone: Tone | null;
  readonly words: string;
} {
  if (items === null || vectors === null) return { tone: null, words: 'not known' };
  if (items === 0 && vectors === 0) return { tone: 'plain', words: 'empty' };
  if (vectors > items) return { tone: 'warn', words: `${count(vectors - items)} too many` };
  const waiting = (pending ?? 0) > 0 ? `, ${count(pending ?? 0)} pending` : '';
  return { tone: vectors === items ? 'good' : 'warn', words: `${formatPercent(vectors, items)}${waiting}` };
}

const DAY_MS = 86_400_000;

/** One UTC day in the history of backups. */
export interface Day {
  /** `2026-11-22`. */
  readonly date: string;
  /** The best backup of the day; null when there is none. */
  readonly snapshot: string | null;
  /** `missed`: no backup on a day after the first backup. `none`: before the first backup, or the day is not over. */
  readonly state: SnapshotLabel | 'missed' | 'none';
  readonly tone: Tone;
  /** Outcome of the day's last drill. */
  readonly drill: Status['drills'][number]['outcome'] | null;
}

const RANK: readonly SnapshotLabel[] = ['verified', 'doubtful', 'not checked', 'incomplete'];

/** Backups and drills of the last days, oldest first. */
export function buildHistory(
  snapshots: readonly ListedSnapshot[],
  drills: Status['drills'],
  now: number,
  days = 30,
): readonly Day[] {
  const backups = snapshots.filter(
    ({ purpose, own }) => purpose !== 'safety' && purpose !== 'imported' && own !== false,
  );
  const first = backups.at(-1)?.createdAt.slice(0, 10) ?? null;
  const today = dateOf(now);
  return Array.from({ length: days }, (_, at) => dateOf(now - (days - 1 - at) * DAY_MS)).map((date) => {
    const of = backups
      .filter(({ createdAt }) => createdAt.startsWith(date))
      .sort((a, b) => rankOf(labelOf(a)) - rankOf(labelOf(b)));
    const drill = drills.find(({ startedAt }) => startedAt.startsWith(date))?.outcome ?? null;
    const [best] = of;
    if (best !== undefined) {
      const state = labelOf(best);
      return { date, snapshot: best.id, state, tone: LABEL_TONES[state], drill };
    }
    const isMissed = first !== null && date > first && date !== today;
    return { date, snapshot: null, state: isMissed ? 'missed' : 'none', tone: isMissed ? 'bad' : 'plain', drill };
  });
}

function rankOf(label: SnapshotLabel): number {
  const at = RANK.indexOf(label);
  return at === -1 ? RANK.length : at;
}

function dateOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

/** The next time of a daily cron such as `0 2 * * *` (UTC); null for any other cron. */
export function findNextRun(schedule: string, now: number): string | null {
  const match = /^(\d{1,2}) (\d{1,2}) \* \* \*$/.exec(schedule);
  if (match === null) return null;
  const due = new Date(now);
  due.setUTCHours(Number(match[2]), Number(match[1]), 0, 0);
  if (due.getTime() <= now) due.setTime(due.getTime() + DAY_MS);
  return due.toISOString();
}
