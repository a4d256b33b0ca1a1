import { useId } from 'preact/hooks';

interface Props<T extends string> {
  readonly legend: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, name: string, meaning: string])[];
  readonly onChange: (value: T) => void;
}

/** One of a few, each with what it means. */
export function Choices<T extends string>({ legend, value, choices, onChange }: Props<T>) {
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
