import { useId } from 'preact/hooks';
import type { Deployment, Plan } from '../api/types.js';
import { Command } from '../parts/command.js';
import { databaseName } from '../parts/top-bar.js';
import { changesAnything, confirmationFor } from '../state/restore.js';
import { commands } from '../words/commands.js';
import type { Wanted } from './restore.js';

interface Props {
  readonly wanted: Wanted;
  /** Null when the dry run failed: then there is nothing to confirm. */
  readonly plan: Plan | null;
  readonly deployment: Deployment | undefined;
  /** Whether the snapshot is of another database: then it takes the host that is written to. */
  readonly isForeign: boolean;
  readonly typed: string;
  readonly onType: (text: string) => void;
  readonly onBack: () => void;
  readonly onRestore: () => void;
}

/** The step before anything is written: type the id of what it is about. */
export function RestoreConfirm({ wanted, plan, deployment, isForeign, typed, onType, onBack, onRestore }: Props) {
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
  const host = deployment?.database ?? null;
  const expected = isForeign && host !== null ? host : confirmationFor({ ...wanted, scope });
  const all = 'all' in scope;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (typed === expected) onRestore();
  };
  return (
    <form class="confirm" onSubmit={submit}>
      <p>
        <strong>This writes to {deployment === undefined ? 'the database' : databaseName(deployment)}.</strong>{' '}
        {isForeign && 'The snapshot is of another database. '}What is there now is saved first, so that it can be
        undone.
      </p>
      <Command line={commands.restore({ ...wanted, scope, dryRun: false })} />
      <div class="field">
        <label for={id}>
          To go on, type{' '}
          {isForeign && host !== null ? 'the host of the database' : `the ${all ? "snapshot's" : "project's"} id`}:{' '}
          <code>{expected}</code>
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
