import type { RunSummary, RunView } from '../api/types.js';
import { serverTime, useAppState } from '../state/app-state.js';
import { useNow } from '../state/use-feed.js';
import { runTime, stalledTime, timeLeft, stepList, waterfall } from '../words/runs.js';
import { duration, progressWords } from '../words/format.js';
import { runTone } from '../words/labels.js';
import { Badge, RunName, Time, Sign } from './text.js';
import { ConfirmAction } from './actions.js';

/** An active run in a list, with its progress and a button that cancels it. */
export function LiveRun({ run }: { readonly run: RunSummary }) {
  return (
    <>
      <p class="row-title">
        <Badge tone={runTone(run)}>{run.state}</Badge> <RunName run={run} />
      </p>
      <p class="meta">
        <code>{run.runId}</code>, started <Time at={run.createdAt} />
      </p>
      <RunProgress run={run} />
      <CancelRun run={run} />
    </>
  );
}

/** The progress of a run, its attempts, its last error and the time of its next attempt. */
export function RunProgress({ run }: { readonly run: RunSummary }) {
  const { status } = useAppState();
  const now = serverTime(status, useNow());
  const { attempts, lastError, nextAttemptAt, phaseAt, progressedAt } = run;
  const { done, total } = run.progress;
  const amount = total !== null && total > 0 ? { max: total, value: Math.min(done, total) } : {};
  const still = stalledTime(run, now);
  const left = phaseAt === null ? null : timeLeft(run.progress, now - Date.parse(phaseAt));
  return (
    <div class="progress">
      <progress aria-label={`Progress of ${run.title} ${run.runId}`} {...amount} />
      <p>
        <strong>{run.state === 'waiting' ? 'waiting' : run.doing}</strong>
        {': '}
        {progressWords(run.progress)}, {duration(runTime(run, now))} so far
        {left !== null && `, about ${duration(left)} left in this step`}
      </p>
      {still !== null && (
        <p>
          <Badge tone="warn">stalled</Badge> No progress for {duration(still)}.
        </p>
      )}
      {run.state === 'waiting' && run.error !== null && <p>{run.error.message}.</p>}
      <p class="meta">
        {attempts === 0 ? 'No attempt yet' : `Attempt ${attempts}`}
        {run.trigger !== null && `, started by ${run.trigger}`}
        {progressedAt !== null && (
          <>
            {', last progress '}
            <Time at={progressedAt} />
          </>
        )}
      </p>
      {lastError !== null && (
        <p>
          Last error: {lastError.message} <code>{lastError.code}</code>, <Time at={lastError.at} />
        </p>
      )}
      {nextAttemptAt !== null && (lastError !== null || attempts === 0 || still !== null) && (
        <p>
          Next attempt by <Time at={nextAttemptAt} />
        </p>
      )}
    </div>
  );
}

/** Cancels a run after a confirmation that says what the cancelled run leaves behind. */
export function CancelRun({ run }: { readonly run: RunSummary }) {
  const { api, refreshAll } = useAppState();
  return (
    <ConfirmAction
      label="Cancel this run…"
      confirmLabel="Cancel the run"
      danger
      perform={() => api.cancel(run.runId)}
      onDone={refreshAll}
    >
      The run ends as failed. {run.ifCancelled ?? 'Its work so far is discarded. The database is not changed.'}
    </ConfirmAction>
  );
}

/** The steps of an active run: done, under way, not yet. */
export function Steps({ run }: { readonly run: RunView }) {
  return (
    <ol class="steps">
      {stepList(run).map(({ words, state }, index) => (
        <li key={index} class={state} aria-current={state === 'now' ? 'step' : undefined}>
          <Sign tone={state === 'done' ? 'good' : state === 'now' ? 'busy' : 'plain'} />
          <span>
            {words}
            {state === 'now' && `: ${progressWords(run.progress)}`}
          </span>
          <span class="hidden">{state === 'done' ? ', done' : state === 'now' ? ', under way' : ', not yet'}</span>
        </li>
      ))}
    </ol>
  );
}

/** The time that each phase took, as bars on a common time axis. */
export function Waterfall({ run }: { readonly run: RunView }) {
  const { status } = useAppState();
  const now = serverTime(status, useNow());
  const bars = waterfall(run, now);
  if (bars.length === 0) return <p class="empty">The record does not say when its phases began.</p>;
  return (
    <ol class="waterfall">
      {bars.map(({ words, from, share, ms }, index) => (
        <li key={index}>
          <span>{words}</span>
          <span class="meta">{duration(ms)}</span>
          <svg viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">
            <rect class="track" width="1000" height="8" rx="2" />
            <rect class="bar" x={from * 1000} width={Math.max(4, share * 1000)} height="8" rx="2" />
          </svg>
        </li>
      ))}
    </ol>
  );
}
