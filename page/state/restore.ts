import { fieldsOf } from '../../lib/runs/traits.js';
import { labelOf } from '../words/labels.js';
import type { ListedSnapshot, Plan, RunSummary, RunView, Tally } from '../api/types.js';
import { duration } from '../words/format.js';
import { PLAN_LASTS_MS } from './feed.js';

/** The snapshot that `latest` means, which a restore offers first. Lists are newest first. */
export function newestRestorable(snapshots: readonly ListedSnapshot[]): string | null {
  const found = snapshots.find((snapshot) => snapshot.purpose === 'backup' && labelOf(snapshot) === 'verified');
  return found?.id ?? null;
}

/** The plan in a run's result; null when there is none. Figures that older versions did not count are 0. */
export function planOf(run: Pick<RunView, 'result'> | null): Plan | null {
  const found = fieldsOf(run?.result)['plan'];
  if (typeof found !== 'object' || found === null) return null;
  const plan = found as Plan;
  const whole = (tally: Tally): Tally => ({ ...NO_TALLY, ...tally });
  return {
    ...NO_ASIDES,
    ...plan,
    lists: { ...NO_ASIDES.lists, ...(plan as Partial<Plan>).lists },
    total: whole(plan.total),
    byFamily: Object.fromEntries(Object.entries(plan.byFamily).map(([family, tally]) => [family, whole(tally)])),
  };
}

const NO_TALLY: Tally = {
  write: 0,
  overwrite: 0,
  unite: 0,
  fail: 0,
  same: 0,
  keep: 0,
  blocked: 0,
  expired: 0,
  remove: 0,
};
const NO_ASIDES = {
  usersJoined: 0,
  usersLeft: 0,
  dangling: { count: 0, names: [] },
  goneClusters: 0,
  lists: { added: 0, wrongType: 0, moved: 0, expiry: 0, losing: [], wrong: [] },
};

/** Whether a restore with this plan would change anything. */
export function changesAnything({ lists, total, usersJoined, usersLeft }: Plan): boolean {
  const keys = total.write + total.overwrite + total.unite + total.fail + total.remove;
  return keys + lists.moved + usersJoined + usersLeft > 0;
}

/**
 * Why a plan must be made again before it is carried out; null while it is current. The operator must confirm what the
 * restore does to the database as it is now, not as it was hours ago or before another restore.
 */
export function explainOutdated(
  plan: Pick<RunSummary, 'finishedAt' | 'createdAt'>,
  runs: readonly Pick<RunSummary, 'kind' | 'input' | 'createdAt' | 'finishedAt'>[],
  now: number,
): string | null {
  const madeAt = Date.parse(plan.finishedAt ?? plan.createdAt);
  const written = runs.some(
    ({ finishedAt, input, kind }) =>
      kind === 'restore' &&
      fieldsOf(input)['dryRun'] !== true &&
      typeof fieldsOf(input)['target'] !== 'string' &&
      (finishedAt === null || Date.parse(finishedAt) > Date.parse(plan.createdAt)),
  );
  if (written) return 'Another restore has written to the database since this plan was started, or is writing now.';
  const age = now - madeAt;
  return age > PLAN_LASTS_MS ? `This plan is ${duration(age)} old: the database may have changed since.` : null;
}
