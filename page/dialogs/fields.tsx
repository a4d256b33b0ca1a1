import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { ListedSnapshot as Snapshot } from '../api/types.js';
import { useAppState } from '../state/app-state.js';
import { counted, formatInstant } from '../words/format.js';
import { labelOf } from '../words/labels.js';

interface SnapshotFieldProps {
  readonly value: string;
  readonly onChange: (id: string) => void;
  readonly only?: (snapshot: Snapshot) => boolean;
}

/** Chooses one of the listed snapshots. A chosen snapshot that is not listed any more stays chosen. */
export function SnapshotField({ value, onChange, only = () => true }: SnapshotFieldProps) {
  const id = useId();
  const { snapshots, zone } = useAppState();
  const offered = (snapshots.data?.snapshots ?? []).filter(only);
  const known = offered.some((snapshot) => snapshot.id === value);
  return (
    <div class="field">
      <label for={id}>Snapshot</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {!known && <option value={value}>{value === '' ? 'None to choose' : value}</option>}
        {offered.map((snapshot) => (
          <option key={snapshot.id} value={snapshot.id}>
            {`${formatInstant(snapshot.createdAt, zone)}, ${snapshot.keys === null ? 'keys not known' : counted(snapshot.keys, 'key')}, ${labelOf(snapshot)}${snapshot.purpose === 'safety' ? ', saved before a restore' : ''}${ofAnother(snapshot)}`}
          </option>
        ))}
      </select>
      <p class="hint">
        <code>{value}</code>
      </p>
    </div>
  );
}

function ofAnother({ label, own, purpose, source }: Snapshot): string {
  if (purpose === 'imported') return ', imported from a file';
  return own === false ? `, of another database: ${label ?? source ?? ''}` : '';
}

interface ChoicesProps<T extends string> {
  readonly legend: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, name: string, meaning: string])[];
  readonly onChange: (value: T) => void;
}

/** Radio buttons, each with an explanation. */
export function Choices<T extends string>({ legend, value, choices, onChange }: ChoicesProps<T>) {
  const name = useId();
  return (
    <fieldset>
      <legend>{legend}</legend>
      {choices.map(([choice, words, meaning]) => (
        <label key={choice} class="choice">
          <input type="radio" name={name} checked={choice === value} onChange={() => onChange(choice)} />
          <span>
            {words} <span class="hint">{meaning}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

interface TypedWordProps {
  /** What the word is: `the project's id`. */
  readonly what: ComponentChildren;
  readonly word: string;
  readonly value: string;
  readonly onChange: (typed: string) => void;
}

/** A field for the confirmation word of an irreversible action; the server requires the same word. */
export function TypedWord({ what, word, value, onChange }: TypedWordProps) {
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
