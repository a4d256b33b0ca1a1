import { useId, useRef, useState } from 'preact/hooks';

/** The command line that does the same, to copy. */
export function Command({ line }: { readonly line: string }) {
  const id = useId();
  const text = useRef<HTMLElement>(null);
  const [said, setSaid] = useState('');
  const copy = (): void => {
    navigator.clipboard.writeText(line).then(
      () => setSaid('Copied'),
      () => {
        // Where the clipboard is not to be had, the text is at least selected.
        if (text.current !== null) getSelection()?.selectAllChildren(text.current);
        setSaid('Selected: copy it with the keyboard');
      },
    );
  };
  return (
    <div class="command">
      <p id={id} class="label">
        The same from a terminal
      </p>
      <div class="command-line">
        <code ref={text} tabIndex={0} role="region" aria-labelledby={id}>
          {line}
        </code>
        <button type="button" class="quiet" onClick={copy}>
          Copy
        </button>
      </div>
      <p class="hint" role="status">
        {said}
      </p>
    </div>
  );
}
