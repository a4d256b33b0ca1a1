import type { ComponentChildren } from 'preact';
import { Badge } from '../parts/badge.js';
import { Problem } from '../parts/problem.js';
import { RunProgress } from '../parts/run-progress.js';
import { RunResult } from '../parts/run-result.js';
import type { Action } from '../state/use-action.js';
import { kindName, phaseName } from '../words/phases.js';
import { endWords } from '../words/results.js';
import { RUN_TONES } from '../words/standing.js';

interface Props {
  readonly action: Action;
  /** What is shown of a run that is over, in place of all that it came to. */
  readonly children?: ComponentChildren;
}

/** How an action goes, from the call to the end of its run. Phases and the end are announced, not every figure. */
export function Follow({ action, children }: Props) {
  const { step, error } = action;
  const run = action.run.data;
  return (
    <div class="follow">
      <p class="hidden" role="status">
        {said(action)}
      </p>
      {step === 'refused' && error !== null && <Problem title="It was not started" error={error} />}
      {(step === 'sent' || (step === 'running' && run === null)) && (
        <div class="progress">
          <progress aria-label="Starting" />
          <p>starting…</p>
        </div>
      )}
      {step === 'running' && run !== null && <RunProgress run={run} />}
      {step === 'running' && action.run.error !== null && (
        <Problem title="Its progress cannot be read; the run itself goes on" error={action.run.error} />
      )}
      {step === 'over' && run !== null && (
        <>
          <p class="end">
            <Badge tone={RUN_TONES[run.state]}>{run.state}</Badge> {endWords(run)}
          </p>
          {children ?? <RunResult run={run} />}
        </>
      )}
      {(step === 'sent' || step === 'running') && (
        <p class="hint">You may close this: the run goes on, and the list of runs shows it.</p>
      )}
    </div>
  );
}

function said({ step, run }: Action): string {
  if (step === 'sent') return 'Starting';
  if (run.data === null || (step !== 'running' && step !== 'over')) return '';
  return step === 'over' ? endWords(run.data) : `${kindName(run.data)}: ${phaseName(run.data)}`;
}
