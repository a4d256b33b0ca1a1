import { RUN_KINDS } from '../../run-kinds.js';
import { isOver } from '../../runs/ending.js';
import type { RunRecord } from '../../runs/model.js';
import { fieldsOf, type RunTraits } from '../../runs/traits.js';
import type { Condition } from './condition.js';
import type { AlertSource } from './source.js';

/** Alerts of how the last run of a kind ended, for kinds with an alert. */
export const RUN_ALERTS: readonly AlertSource[] = RUN_KINDS.flatMap(({ alert, kind }) =>
  alert === undefined ? [] : [alertSourceOf(kind, alert)],
);

function alertSourceOf(kind: string, { code, states }: NonNullable<RunTraits['alert']>): AlertSource {
  const identity = { code, subject: kind };
  return {
    codes: { [code]: 'facts' },
    find({ runs }) {
      const last = lastEnded(runs, kind);
      const isBad = last !== undefined && states.some((state) => state === last.state);
      return isBad ? [{ ...identity, ...describeEnd(last) }] : [];
    },
    // The last run of this kind may be among the runs that were not read.
    undecided: ({ hasMoreRuns, runs }) => (hasMoreRuns && lastEnded(runs, kind) === undefined ? [identity] : []),
  };
}

/** The last run of a kind that ended. Runs that an operator stopped on a terminal are ignored. */
function lastEnded(runs: readonly RunRecord[], kind: RunRecord['kind']): RunRecord | undefined {
  return runs.find((run) => run.kind === kind && isOver(run) && !wasStopped(run) && !isDryRun(run));
}

function wasStopped({ error, input }: RunRecord): boolean {
  return error?.code === 'cancelled' || (error?.code === 'interrupted' && fieldsOf(input)['trigger'] === 'cli');
}

function isDryRun({ input }: RunRecord): boolean {
  return fieldsOf(input)['dryRun'] === true;
}

function describeEnd({ id, kind, state, error }: RunRecord): Pick<Condition, 'hint' | 'message'> {
  const why = error === null ? '' : `: ${error.message}`;
  return {
    message: `Run ${id}, a ${kind}, ended as ${state}${why}`,
    hint: error?.hint ?? 'See the run.',
  };
}
