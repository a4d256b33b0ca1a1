import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

interface Props {
  readonly title: string;
  /** Null: it cannot be closed, since nothing behind it works. */
  readonly onClose: (() => void) | null;
  readonly children: ComponentChildren;
}

/**
 * A modal dialog: the browser keeps the focus in it, closes it with Escape, and gives the focus back. It opens on its first
 * field, or on what it is about to do.
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
      // Its own close event, which comes later, is nobody's wish to close it.
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
