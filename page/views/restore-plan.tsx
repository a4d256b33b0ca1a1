import { useCallback, useState } from 'preact/hooks';
import { confirmationFor, scopeWords } from '../../lib/restore/scope-words.js';
import type { RunView, Scope } from '../api/types.js';
import { TypedWord } from '../dialogs/fields.js';
import { Badge } from '../parts/badge.js';
import { Command } from '../parts/command.js';
import { RunProgress } from '../parts/live-run.js';
import { Outcome } from '../parts/outcome.js';
import { PlanSummary } from '../parts/plan-summary.js';
import { Problem } from '../parts/problem.js';
import { Steps } from '../parts/steps.js';
import { Time } from '../parts/time.js';
import { deploymentOf, serverTime, useDesk } from '../state/desk.js';
import { useNow } from '../state/now.js';
import { changesAnything, outdatedWords, planOf } from '../state/restore.js';
import { go } from '../state/route.js';
import { isOver } from '../state/runs.js';
import { isUnderWay, useAction } from '../state/use-action.js';
import { address } from '../words/address.js';
import { commands } from '../words/commands.js';
import { estimate } from '../words/plan.js';
import { addressOf, plannedBy, type Planned, type Wanted } from '../words/wanted.js';

/** What a restore would do and, once it is typed what it is about, does. */
export function Plan({ run, wanted }: { readonly run: RunView; readonly wanted: Wanted }) {
  const { status } = useDesk();
  const plan = planOf(run);
  if (!isOver(run.state)) {
    return (
      <>
        <RunProgress run={run} />
        <Steps run={run} />
      </>
    );
  }
  const { error, finishedAt } = run;
  if (plan === null) {
    if (error !== null) return <Problem title="The plan could not be made" error={error} />;
    return (
      <p>
        The run has no plan to show. See <a href={address(['runs', run.runId])}>what became of it</a>.
      </p>
    );
  }
  const time = estimate(plan, status.data?.recoveryTime.lastPassed ?? null);
  const mayBegin = run.state !== 'failed';
  return (
    <>
      {error !== null && (
        <Problem
          title={mayBegin ? 'Not all of it can be done' : 'A restore by this plan would be refused'}
          error={error}
        />
      )}
      <PlanSummary plan={plan} notes={run.notes} estimateMs={time} />
      {finishedAt !== null && (
        <p class="meta">
          The plan was made <Time at={finishedAt} />
        </p>
      )}
      {mayBegin && changesAnything(plan) && <Confirm run={run} wanted={wanted} />}
    </>
  );
}

/** The step before anything is written: type the id of what it is about, once the plan is of the database as it is. */
function Confirm({ run, wanted }: { readonly run: RunView; readonly wanted: Wanted }) {
  const { status } = useDesk();
  const now = serverTime(status, useNow(5000));
  const planned = plannedBy(run.input, wanted);
  if (planned.scope === null) return <p>The record does not say what the plan is of: make another plan.</p>;
  if (planned.target !== null) {
    return (
      <p>
        The plan is for target <bdi>{planned.target}</bdi>. Carry it out on the command line: <code>restore</code> with{' '}
        <code>--target</code>, as the plan was made.
      </p>
    );
  }
  const outdated = outdatedWords(run, status.data?.runs ?? [], now);
  const whole = { ...planned, scope: planned.scope };
  return outdated === null ? <Begin planned={whole} /> : <PlanAgain planned={whole} wanted={wanted} why={outdated} />;
}

type WholePlan = Planned & { readonly scope: Scope };

/** The same dry run again: what it shows is what is typed for. */
function PlanAgain({
  planned,
  wanted,
  why,
}: {
  readonly planned: WholePlan;
  readonly wanted: Wanted;
  readonly why: string;
}) {
  const { api } = useDesk();
  const { mode, options, scope, snapshot } = planned;
  const send = useCallback(
    () => api.restore({ snapshot, scope, mode, dryRun: true, confirm: null, ...options }),
    [api, snapshot, JSON.stringify([scope, options]), mode],
  );
  const action = useAction('restore', send, (run) => go(addressOf({ ...wanted, snapshot }, run)));
  return (
    <>
      <p>
        <Badge tone="warn">old plan</Badge> {why} Make it again, and look, before anything is written.
      </p>
      <Outcome action={action} kind="restore" />
      <div class="buttons">
        <button type="button" class="primary" disabled={isUnderWay(action)} onClick={action.start}>
          Make the plan again
        </button>
      </div>
    </>
  );
}

function Begin({ planned: { mode, options, scope, snapshot } }: { readonly planned: WholePlan }) {
  const desk = useDesk();
  const { api } = desk;
  const [typed, setTyped] = useState('');
  const isForeign = options.fromSource === true;
  const host = deploymentOf(desk)?.database ?? null;
  const confirm = confirmationFor(scope, snapshot);
  const isHost = isForeign && host !== null;
  const expected = isHost ? host : confirm;
  const send = useCallback(
    () => api.restore({ snapshot, scope, mode, dryRun: false, confirm, ...options }),
    [api, snapshot, JSON.stringify([scope, options]), mode, confirm],
  );
  const action = useAction('restore', send, (started) => go(address(['runs', started])));
  const isBusy = isUnderWay(action);
  return (
    <form
      class="confirm"
      onSubmit={(event) => {
        event.preventDefault();
        if (typed === expected && !isBusy) action.start();
      }}
    >
      <p>
        <strong>
          This writes to {host ?? 'the database'}: <bdi>{scopeWords(scope)}</bdi>.
        </strong>{' '}
        {isForeign && 'The snapshot is of another database. '}
        {options.safety === false
          ? 'What is there now is not saved first: there is no way back.'
          : 'What is there now is saved first, so that it can be undone.'}
      </p>
      <Command line={commands.restore({ snapshot, scope, mode, ...options })} />
      <TypedWord
        what={isHost ? 'the host of the database' : typedWords(scope, confirm === snapshot)}
        word={expected}
        value={typed}
        onChange={setTyped}
      />
      <Outcome action={action} kind="restore" />
      <div class="buttons">
        <button type="submit" class="danger" disabled={typed !== expected || isBusy}>
          Restore now
        </button>
      </div>
    </form>
  );
}

function typedWords(scope: Scope, isSnapshot: boolean): string {
  if (isSnapshot) return "the snapshot's id";
  return 'project' in scope ? "the project's id" : 'the item';
}
