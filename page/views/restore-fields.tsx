import type { ComponentChildren } from 'preact';
import { useCallback, useId } from 'preact/hooks';
import { FeedContent } from '../parts/panel.js';
import { useAppState } from '../state/app-state.js';
import { useFeed } from '../state/use-feed.js';
import { count } from '../words/format.js';
import type { RestoreChoices } from '../words/restore-choices.js';

interface FamiliesProps {
  readonly wanted: RestoreChoices;
  readonly onChange: (families: readonly string[]) => void;
}

export function Families({ wanted: { families, snapshot }, onChange }: FamiliesProps) {
  const { api } = useAppState();
  const load = useCallback(() => (snapshot === '' ? Promise.resolve(null) : api.snapshot(snapshot)), [api, snapshot]);
  const [feed, refresh] = useFeed(load, null);
  return (
    <fieldset>
      <legend>Families</legend>
      <FeedContent what="The families" feed={feed} everyMs={null} onRetry={refresh}>
        {({ counts }) => (
          <div class="checks">
            {Object.entries(counts?.byFamily ?? {}).map(([family, keys]) => (
              <label key={family} class="choice">
                <input
                  type="checkbox"
                  checked={families.includes(family)}
                  onChange={({ currentTarget: { checked } }) =>
                    onChange(checked ? [...families, family] : families.filter((one) => one !== family))
                  }
                />
                <span>
                  {family} <span class="hint">{count(keys)}</span>
                </span>
              </label>
            ))}
          </div>
        )}
      </FeedContent>
    </fieldset>
  );
}

interface LinesProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (lines: string) => void;
  /** The syntax of a line. */
  readonly children: ComponentChildren;
}

export function LinesField({ label, value, onChange, children }: LinesProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={3}
        value={value}
        spellcheck={false}
        autocapitalize="off"
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <p class="hint">{children}</p>
    </div>
  );
}
