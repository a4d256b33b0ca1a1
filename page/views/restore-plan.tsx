import { useCallback, useState } from 'preact/hooks';
import { confirmationFor, scopeWords } from '../../lib/restore/scope-words.js';
import type { RunView, Scope } from '../api/types.js';
import { TypedWord } from '../dialogs/dialog.js';
import { Badge, Command, Problem, Time } from '../parts/text.js';
import { RunProgress, Steps } from '../parts/live-run.js';
import { Outcome } from '../parts/actions.js';
import { PlanSummary } from '../parts/restore.js';
import { deploymentOf, serverTime, useAppState } from '../state/app-state.js';
import { useNow } from '../state/use-feed.js';
import { changesAnything, explainOutdated, planOf } from '../state/restore.js';
import { estimateDuration } from '../words/plan.js';
import { navigate } from '../state/browser.js';
import { isOver } from '../words/runs.js';
import { isPending, useAction } from '../state/use-action.js';
import { address } from '../words/address.js';
import { commands } from '../words/commands.js';
import {
  restoreAddress,
  parsePlannedRestore,
  type PlannedRestore,
  type RestoreChoices,
} from '../words/restore-choices.js';

/** The plan of a restore, and the form that confirms and starts it. */
export function Plan({ run, wanted }: { readonly run: RunView; readonly wanted: RestoreChoices }) {
  const { status } = useAppState();
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
        The run has no plan. See <a href={address(['runs', run.runId])}>its result</a>.
      </p>
    );
  }
  const time = estimateDuration(plan, status.data?.recoveryTime.lastPassed ?? null);
  const mayBegin = run.state !== 'failed';
  return (
    <>
      {error !== null && (
        <Problem
          title={mayBegin ? 'Not everything can be restored' : 'A restore by this plan would be refused'}
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

/** The confirmation before anything is written; only a current plan can be confirmed. */
function Confirm({ run, wanted }: { readonly run: RunView; readonly wanted: RestoreChoices }) {
  const { status } = useAppState();
  const now = serverTime(status, useNow(5000));
  const planned = parsePlannedRestore(run.input, wanted);
  if (planned.scope === null) return <p>The record of the plan has no scope: make a new plan.</p>;
  if (planned.target !== null) {
    return (
      <p>
        The plan is for target <bdi>{planned.target}</bdi>. Carry it out on the command line: <code>restore</code> with
        the same <code>--target</code>.
      </p>
    );
  }
  const outdated = explainOutdated(run, status.data?.runs ?? [], now);
  const whole = { ...planned, scope: planned.scope };
  return outdated === null ? <Begin planned={whole} /> : <PlanAgain planned={whole} wanted={wanted} why={outdated} />;
}

type WholePlan = PlannedRestore & { readonly scope: Scope };

/** Repeats the dry run, so that the operator confirms a current plan. */
function PlanAgain({
  planned,
  wanted,
  why,
}: {
  readonly planned: WholePlan;
  readonly wanted: RestoreChoices;
  readonly why: string;
}) {
  const { api } = useAppState();
  const { mode, options, scope, snapshot } = planned;
  const send = useCallback(
    () => api.restore({ snapshot, scope, mode, dryRun: true, confirm: null, ...options }),
    [api, snapshot, JSON.stringify([scope, options]), mode],
  );
  const action = useAction('restore', send, (run) => navigate(restoreAddress({ ...wanted, snapshot }, run)));
  return (
    <>
      <p>
        <Badge tone="warn">old plan</Badge> {why} Make the plan again and review it before you restore.
      </p>
      <Outcome action={action} kind="restore" />
      <div class="buttons">
        <button type="button" class="primary" disabled={isPending(action)} onClick={action.start}>
          Make the plan again
        </button>
      </div>
    </>
  );
}

function Begin({ planned: { mode, options, scope, snapshot } }: { readonly planned: WholePlan }) {
  const app = useAppState();
  const { api } = app;
  const [typed, setTyped] = useState('');
  const isForeign = options.fromSource === true;
  const host = deploymentOf(app)?.database ?? null;
  const confirm = confirmationFor(scope, snapshot);
  const isHost = isForeign && host !== null;
  const expected = isHost ? host : confirm;
  const send = useCallback(
    () => api.restore({ snapshot, scope, mode, dryRun: false, confirm, ...options }),
    [api, snapshot, JSON.stringify([scope, options]), mode, confirm],
  );
  const action = useAction('restore', send, (started) => navigate(address(['runs', started])));
  const isBusy = isPending(action);
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
          ? 'The current data is not saved first: the restore cannot be undone.'
          : 'The current data is saved first, so that the restore can be undone.'}
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
