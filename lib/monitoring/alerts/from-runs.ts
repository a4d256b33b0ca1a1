import { RUN_KINDS } from '../../run-kinds.js';
import { isOver } from '../../runs/ending.js';
import { timeOfId } from '../../runs/ids.js';
import type { RunRecord } from '../../runs/model.js';
import { fieldsOf, type RunTraits } from '../../runs/traits.js';
import type { Facts } from '../facts.js';
import { AHEAD_MS } from '../objectives.js';
import type { Condition } from './condition.js';
import type { AlertSource } from './source.js';

/** What the end of the last run of a kind is told as, for the kinds that say so. */
export const RUN_ALERTS: readonly AlertSource[] = RUN_KINDS.flatMap(({ alert, kind }) =>
  alert === undefined ? [] : [endOf(kind, alert)],
);

function endOf(kind: string, { code, place = () => '', states }: NonNullable<RunTraits['alert']>): AlertSource {
  const identity = { code, subject: kind };
  return {
    codes: { [code]: 'facts' },
    find(facts) {
      const last = new Map<string, RunRecord>();
      for (const run of ended(facts, kind)) {
        const where = place(fieldsOf(run.input));
        if (!last.has(where)) last.set(where, run);
      }
      const bad = [...last.values()].find((run) => states.some((state) => state === run.state));
      return bad === undefined ? [] : [{ ...identity, ...ofRun(bad) }];
    },
    // It may be one of those that were not read.
    undecided: (facts) => (facts.hasMoreRuns && ended(facts, kind).length === 0 ? [identity] : []),
  };
}

/**
 * The runs of a kind that ended, newest first. What was stopped on a terminal is known to whoever stopped it. A run that a
 * clock that was ahead dated in the future says nothing: it would hide those that came after it.
 */
function ended({ now, runs }: Pick<Facts, 'now' | 'runs'>, kind: RunRecord['kind']): RunRecord[] {
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

/** A dry run, and a re-index that only removes old vectors: whoever started it sees why it did not. */
function changesNothing({ input }: RunRecord): boolean {
  const { dropOld, dryRun } = fieldsOf(input);
  return dryRun === true || dropOld === true;
}

function ofRun({ id, kind, state, error }: RunRecord): Pick<Condition, 'hint' | 'message'> {
  const why = error === null ? '' : `: ${error.message}`;
  return {
    message: `Run ${id}, a ${kind}, ended as ${state}${why}`,
    hint: error?.hint ?? 'See the run.',
  };
}
