import { useId } from 'preact/hooks';
import type { Plan } from '../api/types.js';
import { Command } from '../parts/command.js';
import { changesAnything, confirmationFor } from '../state/restore.js';
import { commands } from '../words/commands.js';
import type { Wanted } from './restore.js';

interface Props {
  readonly wanted: Wanted;
  /** Null when the dry run failed: then there is nothing to confirm. */
  readonly plan: Plan | null;
  readonly typed: string;
  readonly onType: (text: string) => void;
  readonly onBack: () => void;
  readonly onRestore: () => void;
}

/** The step before anything is written: type the id of what it is about. */
export function RestoreConfirm({ wanted, plan, typed, onType, onBack, onRestore }: Props) {
  const id = useId();
  const { scope } = wanted;
  if (scope === null || plan === null || !changesAnything(plan)) {
    return (
      <div class="buttons end">
        <button type="button" onClick={onBack} autofocus>
          Back
        </button>
      </div>
    );
  }
  const expected = confirmationFor({ ...wanted, scope });
  const all = 'all' in scope;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (typed === expected) onRestore();
  };
  return (
    <form class="confirm" onSubmit={submit}>
      <p>
        <strong>This writes to the database.</strong> What is there now is saved first, so that it can be undone.
      </p>
      <Command line={commands.restore({ ...wanted, scope, dryRun: false })} />
      <div class="field">
        <label for={id}>
          To go on, type the {all ? "snapshot's" : "project's"} id: <code>{expected}</code>
        </label>
        <input
          id={id}
          value={typed}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onType(event.currentTarget.value)}
        />
      </div>
      <div class="buttons end">
        <button type="button" onClick={onBack}>
          Back
        </button>
        <button type="submit" class="danger" disabled={typed !== expected}>
          {all ? 'Restore everything' : 'Restore the project'}
        </button>
      </div>
    </form>
  );
}
