import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { CallError } from '../api/errors.js';
import { asCallError } from '../state/use-feed.js';
import { Problem } from './text.js';
import type { Action } from '../state/use-action.js';
import { address } from '../words/address.js';

interface ConfirmProps {
  /** Text of the button that opens the form. */
  readonly label: string;
  /** Text of the button that confirms. */
  readonly confirmLabel: string;
  readonly danger?: boolean;
  /** Label of a required text field for the reason; without a label there is no field. */
  readonly reasonLabel?: string;
  /** What the action does, in a sentence. */
  readonly children: ComponentChildren;
  readonly perform: (reason: string) => Promise<unknown>;
  readonly onDone: () => void;
}

/** A button that opens an inline confirmation: what the action does, a field for the reason if needed, and a button. */
export function ConfirmAction({
  label,
  confirmLabel,
  danger = false,
  reasonLabel,
  children,
  perform,
  onDone,
}: ConfirmProps) {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const wasOpen = useRef(false);
  // Before the next paint: a key pressed between paint and focus would be lost.
  useLayoutEffect(() => {
    if (isOpen) form.current?.querySelector<HTMLElement>('input, button')?.focus();
    else if (wasOpen.current) opener.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await perform(text.trim());
      setOpen(false);
      onDone();
    } catch (thrown) {
      setError(asCallError(thrown));
    }
    setBusy(false);
  };
  if (!isOpen) {
    return (
      <button type="button" class={danger ? 'danger-line' : ''} ref={opener} onClick={() => setOpen(true)}>
        {label}
      </button>
    );
  }
  return (
    <form class="confirm-action" ref={form} onSubmit={(event) => void submit(event)}>
      <p>{children}</p>
      {reasonLabel !== undefined && (
        <div class="field">
          <label for={id}>{reasonLabel}</label>
          <input
            id={id}
            required
            maxLength={500}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </div>
      )}
      {error !== null && <Problem title="It was not done" error={error} />}
      <div class="buttons">
        <button
          type="submit"
          class={danger ? 'danger' : 'primary'}
          disabled={busy || (reasonLabel !== undefined && text.trim() === '')}
        >
          {busy ? 'One moment…' : confirmLabel}
        </button>
        <button type="button" onClick={() => setOpen(false)}>
          Leave it
        </button>
      </div>
    </form>
  );
}

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
