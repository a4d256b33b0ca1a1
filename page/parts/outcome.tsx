import type { Action } from '../state/use-action.js';
import { address } from '../words/address.js';
import { Problem } from './problem.js';

/** The state of a call that starts a run, until the run is known. */
export function Outcome({ action, kind }: { readonly action: Action; readonly kind: string }) {
  const { error, step } = action;
  return (
    <div class="outcome" aria-live="polite">
      {step === 'sent' && <p class="busy-line">Starting…</p>}
      {step === 'searching' && <p class="busy-line">The server did not confirm the start. Searching for the run…</p>}
      {step === 'refused' && error !== null && <Problem title="It was not started" error={error} />}
      {step === 'lost' && error !== null && (
        <>
          <Problem title="The server did not answer, and no new run was found" error={error} />
          <p>
            The run may still appear. Check <a href={address(['runs'], { kind })}>the runs</a> before you try again.
          </p>
        </>
      )}
    </div>
  );
}
