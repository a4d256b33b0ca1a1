import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface Props {
  /** What the word is: `the project's id`. */
  readonly what: ComponentChildren;
  readonly word: string;
  readonly value: string;
  readonly onChange: (typed: string) => void;
}

/** The field into which the word is typed that an act takes which cannot be taken back; the server demands the same word. */
export function TypedWord({ what, word, value, onChange }: Props) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        To confirm, type {what}: <code class="name">{word}</code>
      </label>
      <input
        id={id}
        value={value}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </div>
  );
}
