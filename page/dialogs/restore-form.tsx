import { Command } from '../parts/command.js';
import { commands } from '../words/commands.js';
import { isRestorable } from '../words/standing.js';
import { Choices } from './choices.js';
import type { Wanted } from './restore.js';
import { ScopeField } from './scope-field.js';
import { SnapshotField } from './snapshot-field.js';

const MODES = [
  ['replace', 'Replace', 'ends up as the snapshot: what came since is removed'],
  ['merge', 'Merge', 'writes what the snapshot has, removes nothing'],
  ['missing', 'Missing only', 'writes only keys that are gone'],
] as const;

interface Props {
  readonly wanted: Wanted;
  readonly onChange: (wanted: Wanted) => void;
  readonly onShowPlan: () => void;
  readonly onClose: () => void;
}

/** The first step: what, from which snapshot, how. It leads to a dry run. */
export function RestoreForm({ wanted, onChange, onShowPlan, onClose }: Props) {
  const { snapshot, scope, mode } = wanted;
  const submit = (event: Event): void => {
    event.preventDefault();
    onShowPlan();
  };
  return (
    <form onSubmit={submit}>
      <p>First a dry run shows what would be done. It changes nothing.</p>
      <SnapshotField value={snapshot} only={isRestorable} onChange={(id) => onChange({ ...wanted, snapshot: id })} />
      <ScopeField scope={scope} onChange={(chosen) => onChange({ ...wanted, scope: chosen })} />
      <Choices legend="How" value={mode} choices={MODES} onChange={(chosen) => onChange({ ...wanted, mode: chosen })} />
      <Command line={commands.restore({ ...wanted, scope: scope ?? { project: 'PROJECT' }, dryRun: true })} />
      <div class="buttons end">
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={snapshot === '' || scope === null}>
          Show the plan
        </button>
      </div>
    </form>
  );
}
