import { useState } from 'preact/hooks';
import type { Snapshot, SnapshotList } from '../api/types.js';
import { Age } from '../parts/age.js';
import { Badge } from '../parts/badge.js';
import { Table, type Row } from '../parts/table.js';
import { useDesk } from '../state/desk.js';
import { bytes, count, known } from '../words/format.js';
import { isRestorable, standingOf, STANDING_TONES } from '../words/standing.js';
import { SnapshotChart } from './snapshot-chart.js';

const FIRST = 6;

/** The snapshots, as a chart over time and as a list. */
export function Snapshots({ list }: { readonly list: SnapshotList }) {
  const [all, setAll] = useState(false);
  const desk = useDesk();
  const { snapshots } = list;
  if (snapshots.length === 0) return <p class="empty">There is no snapshot yet. Back up now.</p>;
  const shown = all ? snapshots : snapshots.slice(0, FIRST);
  return (
    <>
      <SnapshotChart snapshots={snapshots} />
      <Table
        caption="Snapshots, newest first"
        columns={['Snapshot', 'Check', 'Taken', '#Keys', '#Stored', '']}
        rows={shown.map((snapshot) => rowOf(snapshot, desk.open))}
      />
      {shown.length < snapshots.length && (
        <button type="button" class="quiet" onClick={() => setAll(true)}>
          Show all {snapshots.length}
        </button>
      )}
      {list.more && <p class="hint">There are older ones: the command line lists them.</p>}
    </>
  );
}

function rowOf(snapshot: Snapshot, open: ReturnType<typeof useDesk>['open']): Row {
  const { id, keys, storedBytes, createdAt } = snapshot;
  const standing = standingOf(snapshot);
  return {
    key: id,
    cells: [
      <>
        <code class="nowrap">{id}</code>
        <Marks snapshot={snapshot} />
      </>,
      <Badge tone={STANDING_TONES[standing]}>{standing}</Badge>,
      <span class="nowrap">
        <Age at={createdAt} />
      </span>,
      known(keys),
      known(storedBytes, bytes),
      <span class="buttons">
        <button type="button" class="link" onClick={() => open({ name: 'verify', snapshot: id })}>
          Verify <span class="hidden">{id}</span>
        </button>
        {isRestorable(snapshot) && (
          <button type="button" class="link" onClick={() => open({ name: 'restore', snapshot: id })}>
            Restore <span class="hidden">{id}</span>
          </button>
        )}
      </span>,
    ],
  };
}

function Marks({ snapshot }: { readonly snapshot: Snapshot }) {
  const marks = [
    ...(snapshot.purpose === 'safety' ? ['saved before a restore'] : []),
    ...(snapshot.encrypted === true ? ['encrypted'] : []),
    ...((snapshot.failed ?? 0) > 0 ? [`${count(snapshot.failed ?? 0)} keys missing`] : []),
  ];
  return marks.length === 0 ? null : <span class="meta"> {marks.join(', ')}</span>;
}
