import type { CheckFigures, ListedSnapshot } from '../api/types.js';

const WEEK_MS = 7 * 86_400_000;
const GROUPS: readonly (readonly [title: string, statuses: readonly CheckFigures['status'][]])[] = [
  ['Does not work', ['fail']],
  ['Missing protections', ['warn', 'skipped']],
  ['Not known', ['unknown']],
  ['Works', ['ok']],
];

/** Checks by what has to be done about them, what is missing first. Groups without any are left out. */
export function checkGroups(checks: readonly CheckFigures[]) {
  return GROUPS.map(([title, statuses]) => ({
    title,
    checks: statuses.flatMap((status) => checks.filter((check) => check.status === status)),
  })).filter((group) => group.checks.length > 0);
}

/** The snapshots that retention lets go within a week of the newest one's time. */
export function goingSoon(snapshots: readonly ListedSnapshot[], now = Date.now()): readonly ListedSnapshot[] {
  return snapshots.filter(({ goesAt }) => goesAt !== null && Date.parse(goesAt) - now < WEEK_MS);
}
