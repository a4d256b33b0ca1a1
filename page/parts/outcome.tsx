import type { Action } from '../state/use-action.js';
import { address } from '../words/address.js';
import { Problem } from './problem.js';

/** What came of a call that is to start a run, until that run is known. */
export function Outcome({ action, kind }: { readonly action: Action; readonly kind: string }) {
  const { error, step } = action;
  return (
    <div class="outcome" aria-live="polite">
      {step === 'sent' && <p class="busy-line">Starting…</p>}
      {step === 'looking' && (
        <p class="busy-line">No answer came that says whether it was started: looking for it among the runs…</p>
      )}
      {step === 'refused' && error !== null && <Problem title="It was not started" error={error} />}
      {step === 'lost' && error !== null && (
        <>
          <Problem title="No answer came, and no run that it began was found" error={error} />
          <p>
            It may still appear. Look at <a href={address(['runs'], { kind })}>the runs</a> before you start it again.
          </p>
        </>
      )}
    </div>
  );
}
