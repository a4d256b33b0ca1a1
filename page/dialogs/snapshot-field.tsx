import { useId } from 'preact/hooks';
import type { ListedSnapshot as Snapshot } from '../api/types.js';
import { useDesk } from '../state/desk.js';
import { counted, instant } from '../words/format.js';
import { labelOf } from '../words/labels.js';

interface Props {
  readonly value: string;
  readonly onChange: (id: string) => void;
  readonly only?: (snapshot: Snapshot) => boolean;
}

/** Chooses one of the snapshots that the page knows. One that it does not know any more stays chosen. */
export function SnapshotField({ value, onChange, only = () => true }: Props) {
  const id = useId();
  const { snapshots, zone } = useDesk();
  const offered = (snapshots.data?.snapshots ?? []).filter(only);
  const known = offered.some((snapshot) => snapshot.id === value);
  return (
    <div class="field">
      <label for={id}>Snapshot</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {!known && <option value={value}>{value === '' ? 'None to choose' : value}</option>}
        {offered.map((snapshot) => (
          <option key={snapshot.id} value={snapshot.id}>
            {`${instant(snapshot.createdAt, zone)}, ${snapshot.keys === null ? 'keys not known' : counted(snapshot.keys, 'key')}, ${labelOf(snapshot)}${snapshot.purpose === 'safety' ? ', saved before a restore' : ''}${ofAnother(snapshot)}`}
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
