import type { ListedSnapshot, Status } from '../api/types.js';
import { labelOf, LABEL_TONES, type SnapshotLabel, type Tone } from './labels.js';

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
