import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { CallError } from '../api/errors.js';
import type { Api } from '../api/calls.js';
import type { Started } from '../api/types.js';
import { useDesk } from './desk.js';
import { EVERY } from './pace.js';
import { runBegun } from './runs.js';
import { asCallError } from './use-feed.js';

/** How often the runs are asked for one that a call without an answer may have begun. */
const POLLS = 6;

type Call =
  | { readonly step: 'idle' }
  | { readonly step: 'sent' | 'looking' }
  /** Refused, or sent without an answer and no run was found that came of it. */
  | { readonly step: 'refused' | 'lost'; readonly error: CallError };

/** What came of a call: the run, or why none is known. */
type Outcome = { readonly run: string; readonly error: null } | { readonly run: null; readonly error: CallError };

/** Something asked for once. `onStarted` is given the run that came of it. */
export interface Action {
  readonly step: Call['step'];
  readonly error: CallError | null;
  readonly start: () => void;
}

/**
 * Sends the call and finds its run: in its answer or, as long as that does not come or has told nothing, among the runs
 * that were not there before. Nothing is said of a run that was not confirmed before it was looked for.
 */
export function useAction(kind: string, send: () => Promise<Started>, onStarted: (run: string) => void): Action {
  const { api, refresh } = useDesk();
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
    // What is there already is not what this call begins. That the list cannot be had must not keep a call from being made.
    const before = await newest(api, kind);
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
    setCall({ step: 'looking' });
    let looks = 0;
    const run = await pollWhile(() => alive.current && looks++ < POLLS);
    if (run === null) setCall({ step: 'lost', error: first.error });
    else started(run);

    async function pollWhile(wanted: () => boolean): Promise<string | null> {
      // What is new among the runs can be told only by who knows what was there.
      if (before === null) return null;
      while (wanted()) {
        await new Promise((resolve) => setTimeout(resolve, EVERY.looking));
        if (!alive.current) return null;
        const begun = runBegun((await newest(api, kind)) ?? [], known);
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

/** Whether the call was sent and it is not known yet what came of it: then it must not be sent again. */
export function isUnderWay({ step }: Pick<Action, 'step'>): boolean {
  return step === 'sent' || step === 'looking';
}

/** Null: the list cannot be had. */
async function newest(api: Api, kind: string) {
  return api.runs({ kind, limit: 5 }).then(
    ({ runs }) => runs,
    () => null,
  );
}

/** Whether the server has said that nothing was begun: what failed later, or without an answer, may have begun a run. */
export function isRefusal({ status }: Pick<CallError, 'status'>): boolean {
  return status >= 400 && status < 500;
}
