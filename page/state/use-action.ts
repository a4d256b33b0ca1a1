import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { CallError } from '../api/errors.js';
import type { Api } from '../api/calls.js';
import type { Started } from '../api/types.js';
import { useAppState } from './app-state.js';
import { EVERY } from './feed.js';
import { findNewRun } from '../words/runs.js';
import { asCallError } from './use-feed.js';

/** How often the runs are polled for one that a call without an answer may have started. */
const POLLS = 6;

type Call =
  | { readonly step: 'idle' }
  | { readonly step: 'sent' | 'searching' }
  /** Refused; or no answer arrived and no new run was found. */
  | { readonly step: 'refused' | 'lost'; readonly error: CallError };

/** The result of a call: the run, or why none is known. */
type Outcome = { readonly run: string; readonly error: null } | { readonly run: null; readonly error: CallError };

/** A call that starts a run. */
export interface Action {
  readonly step: Call['step'];
  readonly error: CallError | null;
  readonly start: () => void;
}

/**
 * Sends the call and finds its run: in the answer or, while there is none or the answer does not say, among the new runs.
 * A run without a confirmation is reported as lost only after the runs were searched. `onStarted` gets the id of the run.
 */
export function useAction(kind: string, send: () => Promise<Started>, onStarted: (run: string) => void): Action {
  const { api, refresh } = useAppState();
  const [call, setCall] = useState<Call>({ step: 'idle' });
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => void (alive.current = false);
  }, []);

  const start = useCallback(() => void perform(), [send, onStarted, kind, api]);
  async function perform(): Promise<void> {
    const known = new Set<string>();
    setCall({ step: 'sent' });
    // Runs that exist already are not the run of this call. The call is made even if they cannot be listed.
    const before = await listNewest(api, kind);
    for (const { runId } of before ?? []) known.add(runId);
    const call = { isAnswered: false };
    const answered = send().then(
      (answer): Outcome => ({ run: answer.runId, error: null }),
      (thrown: unknown): Outcome => ({ run: null, error: asCallError(thrown) }),
    );
    void answered.then(() => (call.isAnswered = true));
    const seen = pollWhile(() => alive.current && !call.isAnswered);
    const first = await Promise.race([
      answered,
      seen.then((run) => (run === null ? answered : ({ run, error: null } as const))),
    ]);
    if (first.run !== null) {
      started(first.run);
      return;
    }
    if (isRefusal(first.error)) {
      setCall({ step: 'refused', error: first.error });
      return;
    }
    setCall({ step: 'searching' });
    let polls = 0;
    const run = await pollWhile(() => alive.current && polls++ < POLLS);
    if (run === null) setCall({ step: 'lost', error: first.error });
    else started(run);

    async function pollWhile(wanted: () => boolean): Promise<string | null> {
      // Without the list from before the call, a new run cannot be recognized.
      if (before === null) return null;
      while (wanted()) {
        await new Promise((resolve) => setTimeout(resolve, EVERY.searching));
        if (!alive.current) return null;
        const begun = findNewRun((await listNewest(api, kind)) ?? [], known);
        if (begun !== null) return begun;
      }
      return null;
    }
  }

  function started(run: string): void {
    if (!alive.current) return;
    setCall({ step: 'idle' });
    refresh.status();
    onStarted(run);
  }

  return { step: call.step, error: 'error' in call ? call.error : null, start };
}

/** Whether the call was sent and its result is not known yet: it must not be sent again. */
export function isPending({ step }: Pick<Action, 'step'>): boolean {
  return step === 'sent' || step === 'searching';
}

/** The newest runs of a kind; null when they cannot be listed. */
async function listNewest(api: Api, kind: string) {
  return api.runs({ kind, limit: 5 }).then(
    ({ runs }) => runs,
    () => null,
  );
}

/** Whether the server refused to start a run. After any other failure a run may have been started. */
function isRefusal({ status }: Pick<CallError, 'status'>): boolean {
  return status >= 400 && status < 500;
}
