import type { ComponentChildren } from 'preact';
import type { Started } from '../api/types.js';
import { Command } from '../parts/command.js';
import { Outcome } from '../parts/outcome.js';
import { navigate } from '../state/route.js';
import { isPending, useAction } from '../state/use-action.js';
import { address } from '../words/address.js';
import { Dialog } from './dialog.js';

interface Props {
  readonly title: string;
  readonly kind: string;
  readonly verb: string;
  readonly command: string;
  readonly send: () => Promise<Started>;
  readonly ready?: boolean;
  readonly onClose: () => void;
  /** What the action does, and its options. */
  readonly children: ComponentChildren;
}

/** A dialog that starts a run, and then opens the view of the run. */
export function ActionDialog({ title, kind, verb, command, send, ready = true, onClose, children }: Props) {
  const action = useAction(kind, send, (run) => navigate(address(['runs', run])));
  const isBusy = isPending(action);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (ready && !isBusy) action.start();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {children}
        <Command line={command} />
        <Outcome action={action} kind={kind} />
        <div class="buttons end">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={!ready || isBusy}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
