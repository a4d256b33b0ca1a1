import { AHEAD_MS } from '../../snapshot/order.js';
import { RUN_KINDS } from '../../run-kinds.js';
import { isOver, type RunRecord } from '../../runs/model.js';
import { timeOfId } from '../../runs/ids.js';
import { fieldsOf, type RunTraits } from '../../runs/traits.js';
import type { Facts } from '../facts.js';

import type { AlertSource, Condition } from './condition.js';

/** Alerts of runs that ended badly and that no later run made good, for kinds with an alert. */
export const RUN_ALERTS: readonly AlertSource[] = RUN_KINDS.flatMap(({ alert, kind }) =>
  alert === undefined ? [] : [alertSourceOf(kind, alert)],
);

function alertSourceOf(kind: string, alert: NonNullable<RunTraits['alert']>): AlertSource {
  const { code, evenStopped = () => false, makesGood = () => true, states } = alert;
  const identity = { code, subject: kind };
  const isBad = (run: RunRecord): boolean => states.some((state) => state === run.state);
  const isMadeGood = (run: RunRecord, later: readonly RunRecord[]): boolean =>
    later.some(
      (one) => !isBad(one) && makesGood(fieldsOf(one.input), { input: fieldsOf(run.input), phase: run.phase }),
    );
  return {
    codes: { [code]: 'facts' },
    // A failure that only some later runs make good is an event: an acknowledgement does not cover the next failure.
    ...(alert.makesGood === undefined ? {} : { oneEvent: [code] }),
    find(facts) {
      const ended = findEnded(facts, kind, evenStopped);
      const bad = ended.filter((run, at) => isBad(run) && !isMadeGood(run, ended.slice(0, at)));
      const [last, ...earlier] = bad;
      return last === undefined ? [] : [{ ...identity, ...describeEnd(last, earlier) }];
    },
    // The run that opened the alert may be among the runs that were not read.
    undecided: (facts) => {
      const everything = { input: { scope: { all: true } }, phase: '' };
      const decides = (run: RunRecord): boolean => isBad(run) || makesGood(fieldsOf(run.input), everything);
      return facts.hasMoreRuns && !findEnded(facts, kind, evenStopped).some(decides) ? [identity] : [];
    },
  };
}

/**
 * The runs of a kind that ended, newest first. Runs that an operator stopped are ignored unless they left something
 * (`evenStopped`), and so are runs that a clock that was ahead dated in the future: they would hide later ones.
 */
function findEnded(
  { now, runs }: Pick<Facts, 'now' | 'runs'>,
  kind: RunRecord['kind'],
  evenStopped: NonNullable<NonNullable<RunTraits['alert']>['evenStopped']>,
): RunRecord[] {
  return runs.filter(
    (run) =>
      run.kind === kind &&
      isOver(run) &&
      (!wasStopped(run) || evenStopped({ input: fieldsOf(run.input), phase: run.phase })) &&
      !changesNothing(run) &&
      timeOfId(run.id) <= now + AHEAD_MS,
  );
}

/** Whether an operator ended the run. */
export function wasStopped({ error, input }: RunRecord): boolean {
  return error?.code === 'cancelled' || (error?.code === 'interrupted' && fieldsOf(input)['trigger'] === 'cli');
}

/** A dry run, or a re-index that only removes old vectors: its operator sees why it failed. */
function changesNothing({ input }: RunRecord): boolean {
  const { dropOld, dryRun } = fieldsOf(input);
  return dryRun === true || dropOld === true;
}

function describeEnd(
  { id, kind, state, error }: RunRecord,
  earlier: readonly RunRecord[],
): Pick<Condition, 'hint' | 'message'> {
  const why = error === null ? '' : `: ${error.message}`;
  const others = earlier.length === 0 ? '' : `; no later run made good ${earlier.map((run) => run.id).join(', ')}`;
  return {
    message: `Run ${id}, a ${kind}, ended as ${state}${why}${others}`,
    hint: error?.hint ?? `See \`npx soulcaster-backup run ${id} --env-file .env\`.`,
  };
}
