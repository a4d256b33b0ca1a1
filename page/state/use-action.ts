import { useCallback, useRef, useState } from 'preact/hooks';
import type { CallError } from '../api/errors.js';
import type { Started } from '../api/calls.js';
import type { RunKind, RunView } from '../api/types.js';
import { useDesk } from './desk.js';
import type { Feed } from './feed.js';
import { isOver, runBegun } from './runs.js';
import { asCallError } from './use-feed.js';
import { useRun } from './use-run.js';

type Call =
  | { readonly step: 'idle' }
  | { readonly step: 'sent'; readonly known: ReadonlySet<string> }
  | { readonly step: 'started'; readonly runId: string }
  | { readonly step: 'refused'; readonly error: CallError };

/** Something asked for once, and the run that came of it. */
export interface Action {
  /** `sent` until the server has answered, or the run has turned up. */
  readonly step: 'idle' | 'sent' | 'running' | 'over' | 'refused';
  readonly error: CallError | null;
  readonly run: Feed<RunView | null>;
  readonly start: () => void;
  readonly reset: () => void;
}

/** One action of a dialog: sends the call, finds its run, follows it to the end. */
export function useAction(kind: RunKind, send: () => Promise<Started>): Action {
  const desk = useDesk();
  const [call, setCall] = useState<Call>({ step: 'idle' });
  const runs = desk.status.data?.runs ?? [];
  // While the call is open the status shows its run; where it fails without an answer, that run is still ours to follow.
  const begun = call.step === 'sent' ? runBegun(runs, kind, call.known) : null;
  const runId = call.step === 'started' ? call.runId : begun;
  const run = useRun(runId);
  const latest = useRef(begun);
  latest.current = begun;

  const start = useCallback(() => {
    setCall({ step: 'sent', known: new Set(runs.map((one) => one.runId)) });
    desk.hurry(true);
    send()
      .then(
        (answer) => setCall({ step: 'started', runId: answer.runId }),
        (error: unknown) => setCall(afterFailure(asCallError(error), latest.current)),
      )
      .finally(() => {
        desk.hurry(false);
        desk.refresh.status();
      });
  }, [send, runs, desk.hurry, desk.refresh]);
  const reset = useCallback(() => setCall({ step: 'idle' }), []);

  const step = stepOf(call, runId, run);
  return { step, error: call.step === 'refused' ? call.error : null, run, start, reset };
}

/** A call that broke off may have begun its run all the same. */
function afterFailure(error: CallError, runId: string | null): Call {
  const broken = error.code === 'unreachable' || error.code === 'no-answer';
  return broken && runId !== null ? { step: 'started', runId } : { step: 'refused', error };
}

function stepOf(call: Call, runId: string | null, run: Feed<RunView | null>): Action['step'] {
  if (call.step === 'idle' || call.step === 'refused') return call.step;
  if (runId === null) return 'sent';
  return run.data !== null && isOver(run.data.state) ? 'over' : 'running';
}
