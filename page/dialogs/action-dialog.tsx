import type { ComponentChildren } from 'preact';
import type { Started } from '../api/calls.js';
import type { RunKind } from '../api/types.js';
import { Command } from '../parts/command.js';
import { useAction } from '../state/use-action.js';
import { Dialog } from './dialog.js';
import { Follow } from './follow.js';

interface Props {
  readonly title: string;
  readonly kind: RunKind;
  readonly verb: string;
  readonly command: string;
  readonly send: () => Promise<Started>;
  readonly ready?: boolean;
  readonly onClose: () => void;
  /** What it does, and what there is to choose. */
  readonly children: ComponentChildren;
}

/** A dialog that starts one thing and follows it to its end. */
export function ActionDialog({ title, kind, verb, command, send, ready = true, onClose, children }: Props) {
  const action = useAction(kind, send);
  const asking = action.step === 'idle' || action.step === 'refused';
  const submit = (event: Event): void => {
    event.preventDefault();
    action.start();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      {asking && (
        <form onSubmit={submit}>
          {children}
          <Command line={command} />
          <Follow action={action} />
          <div class="buttons end">
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" class="primary" disabled={!ready} autofocus>
              {verb}
            </button>
          </div>
        </form>
      )}
      {!asking && <Follow action={action} />}
    </Dialog>
  );
}
