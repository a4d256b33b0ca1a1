import type { Plan, RestoreOrder, RunView, Scope, Snapshot } from '../api/types.js';
import { standingOf } from '../words/standing.js';

/** The snapshot that a restore offers first: what `latest` means. Lists are newest first. */
export function newestRestorable(snapshots: readonly Snapshot[]): string | null {
  const found = snapshots.find((snapshot) => snapshot.purpose === 'backup' && standingOf(snapshot) === 'verified');
  return found?.id ?? null;
}

/** The plan that a dry run came to; null when it failed. */
export function planOf(run: Pick<RunView, 'result' | 'state'> | null): Plan | null {
  const plan = run?.state === 'succeeded' ? run.result?.['plan'] : undefined;
  return typeof plan === 'object' && plan !== null ? (plan as Plan) : null;
}

/**
 * What the dry run planned for, and so what is confirmed and done: to undo the restore of one project is of that project
 * alone, whatever was chosen.
 */
export function plannedScope(run: Pick<RunView, 'input'> | null, chosen: Scope | null): Scope | null {
  const scope = run?.input?.['scope'];
  if (chosen === null || !('all' in chosen) || typeof scope !== 'object' || scope === null) return chosen;
  return 'project' in scope && typeof scope.project === 'string' ? { project: scope.project } : chosen;
}

type Changes = Pick<Plan, 'total' | 'usersJoined'> & Partial<Pick<Plan, 'usersLeft' | 'lists'>>;

/** Whether a restore by this plan would do anything at all. */
export function changesAnything({ lists, total, usersJoined, usersLeft = 0 }: Changes): boolean {
  const moved = lists?.moved ?? 0;
  const keys = total.write + total.overwrite + total.unite + (total.fail ?? 0) + total.remove;
  return keys + moved + usersJoined + usersLeft > 0;
}

/** What must be typed before a restore: the server demands the same. */
export function confirmationFor({ snapshot, scope }: Pick<RestoreOrder, 'snapshot'> & { scope: Scope }): string {
  return 'all' in scope ? snapshot : scope.project;
}
