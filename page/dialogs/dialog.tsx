import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

interface Props {
  readonly title: string;
  /** Null: the dialog cannot be closed, because nothing behind it works. */
  readonly onClose: (() => void) | null;
  readonly children: ComponentChildren;
}

/**
 * A modal dialog: the browser keeps the focus inside, closes it with Escape and restores the focus. The first field gets the
 * focus or, without fields, the submit button.
 */
export function Dialog({ title, onClose, children }: Props) {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  const isShown = useRef(true);
  useLayoutEffect(() => {
    const dialog = element.current;
    if (dialog === null || dialog.open) return undefined;
    dialog.showModal();
    const first = dialog.querySelector<HTMLElement>('input, select, textarea');
    (first ?? dialog.querySelector<HTMLElement>('[type=submit]'))?.focus();
    return () => {
      // The close event of this call arrives later and must not count as closed by the operator.
      isShown.current = false;
      dialog.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      onClose={() => isShown.current && onClose?.()}
      onCancel={(event) => onClose === null && event.preventDefault()}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {onClose !== null && (
          <button type="button" class="quiet" onClick={onClose}>
            Close
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}
