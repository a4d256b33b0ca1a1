import { useRef, useState } from 'preact/hooks';

/** The equivalent command line, with a button that copies it. */
export function Command({ line }: { readonly line: string }) {
  const text = useRef<HTMLElement>(null);
  const [said, setSaid] = useState('');
  const copy = (): void => {
    navigator.clipboard.writeText(line).then(
      () => setSaid('Copied'),
      () => {
        // Without access to the clipboard the text is selected.
        if (text.current !== null) getSelection()?.selectAllChildren(text.current);
        setSaid('Selected: copy it with the keyboard');
      },
    );
  };
  return (
    <div class="command">
      <p class="label">The same from a terminal</p>
      <div class="command-line">
        <code ref={text}>{line}</code>
        <button type="button" class="quiet" onClick={copy}>
          Copy <span class="hidden">the command</span>
        </button>
      </div>
      <p class="hint" role="status">
        {said}
      </p>
    </div>
  );
}
