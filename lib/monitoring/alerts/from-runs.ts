import { AHEAD_MS } from '../../snapshot/order.js';
import { RUN_KINDS } from '../../run-kinds.js';
import { isOver, type RunRecord } from '../../runs/model.js';
import { timeOfId } from '../../runs/ids.js';
import { fieldsOf, type RunTraits } from '../../runs/traits.js';
import type { Facts } from '../facts.js';

import type { AlertSource, Condition } from './condition.js';

/** Alerts of how the last run of a kind ended, for kinds with an alert. */
export const RUN_ALERTS: readonly AlertSource[] = RUN_KINDS.flatMap(({ alert, kind }) =>
  alert === undefined ? [] : [alertSourceOf(kind, alert)],
);

function alertSourceOf(kind: string, { code, place = () => '', states }: NonNullable<RunTraits['alert']>): AlertSource {
  const identity = { code, subject: kind };
  return {
    codes: { [code]: 'facts' },
    find(facts) {
      const lastByPlace = new Map<string, RunRecord>();
      for (const run of findEnded(facts, kind)) {
        const where = place(fieldsOf(run.input));
        if (!lastByPlace.has(where)) lastByPlace.set(where, run);
      }
      const bad = [...lastByPlace.values()].find((run) => states.some((state) => state === run.state));
      return bad === undefined ? [] : [{ ...identity, ...describeEnd(bad) }];
    },
    // The last run of this kind may be among the runs that were not read.
    undecided: (facts) => (facts.hasMoreRuns && findEnded(facts, kind).length === 0 ? [identity] : []),
  };
}

/**
 * The runs of a kind that ended, newest first. Runs that an operator stopped on a terminal are ignored, and so are runs that
 * a clock that was ahead dated in the future: they would hide later ones.
 */
function findEnded({ now, runs }: Pick<Facts, 'now' | 'runs'>, kind: RunRecord['kind']): RunRecord[] {
  return runs.filter(
    (run) =>
      run.kind === kind &&
      isOver(run) &&
      !wasStopped(run) &&
      !changesNothing(run) &&
      timeOfId(run.id) <= now + AHEAD_MS,
  );
}

function wasStopped({ error, input }: RunRecord): boolean {
  return error?.code === 'cancelled' || (error?.code === 'interrupted' && fieldsOf(input)['trigger'] === 'cli');
}

/** A dry run, or a re-index that only removes old vectors: its operator sees why it failed. */
function changesNothing({ input }: RunRecord): boolean {
  const { dropOld, dryRun } = fieldsOf(input);
  return dryRun === true || dropOld === true;
}

function describeEnd({ id, kind, state, error }: RunRecord): Pick<Condition, 'hint' | 'message'> {
  const why = error === null ? '' : `: ${error.message}`;
  return {
    message: `Run ${id}, a ${kind}, ended as ${state}${why}`,
    hint: error?.hint ?? 'See the run.',
  };
}
