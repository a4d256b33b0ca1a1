import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { CallError } from '../api/errors.js';
import { asCallError } from '../state/use-feed.js';
import { Problem } from './problem.js';

interface Props {
  /** On the button that opens it. */
  readonly open: string;
  /** On the button that does it. */
  readonly verb: string;
  readonly danger?: boolean;
  /** What a text has to be given for, such as `Why`; left out: none is asked for. */
  readonly reason?: string;
  /** What it does, in a sentence. */
  readonly children: ComponentChildren;
  readonly onDo: (reason: string) => Promise<unknown>;
  readonly onDone: () => void;
}

/** A small act that is asked back for in its place: what it does, a reason where one is needed, and the button that does it. */
export function Ask({ open, verb, danger = false, reason, children, onDo, onDone }: Props) {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const wasOpen = useRef(false);
  // Before the next frame is drawn: a key that is pressed between the two would get lost.
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
      await onDo(text.trim());
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
        {open}
      </button>
    );
  }
  return (
    <form class="ask" ref={form} onSubmit={(event) => void submit(event)}>
      <p>{children}</p>
      {reason !== undefined && (
        <div class="field">
          <label for={id}>{reason}</label>
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
          disabled={busy || (reason !== undefined && text.trim() === '')}
        >
          {busy ? 'One moment…' : verb}
        </button>
        <button type="button" onClick={() => setOpen(false)}>
          Leave it
        </button>
      </div>
    </form>
  );
}
