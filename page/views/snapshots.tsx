import type { ListedSnapshot } from '../api/types.js';
import { Badge, Time } from '../parts/text.js';
import { FeedContent, Table, type Row } from '../parts/panel.js';
import { useAppState } from '../state/app-state.js';
import { navigate } from '../state/browser.js';
import { EVERY } from '../state/feed.js';
import { address, changeQuery } from '../words/address.js';
import { bytes, count, counted, formatDay, formatKnown } from '../words/format.js';
import { isRestorable, describeKept, labelOf, LABEL_TONES } from '../words/labels.js';
import { Select } from './runs.js';

const PAGE = 25;
const PURPOSES = [
  ['', 'All kinds'],
  ['backup', 'Backups'],
  ['safety', 'Saved before a restore'],
  ['imported', 'Imported from a file'],
] as const;
const WORTHS = [
  ['', 'All states'],
  ['verified', 'Verified'],
  ['not checked', 'Not checked'],
  ['doubtful', 'Doubtful'],
  ['incomplete', 'Incomplete'],
  ['damaged', 'Damaged'],
  ['foreign', 'Of another database'],
  ['future', 'Dated in the future'],
  ['untrusted', 'Not trusted'],
  ['unreadable', 'Unreadable'],
] as const;

/** All snapshots, newest first. */
export function SnapshotsView() {
  const { refresh, route, snapshots } = useAppState();
  const of = (name: string): string => route.query.get(name) ?? '';
  const chooseFilter = (name: string) => (event: Event) =>
    navigate(changeQuery(route, { [name]: (event.currentTarget as HTMLSelectElement).value, page: null }));
  return (
    <>
      <h1 tabIndex={-1}>Snapshots</h1>
      <div class="filters" role="search">
        <Select label="Kind" value={of('kind')} options={PURPOSES} onChange={chooseFilter('kind')} />
        <Select label="State" value={of('worth')} options={WORTHS} onChange={chooseFilter('worth')} />
      </div>
      <section class="panel" aria-label="Snapshots">
        <FeedContent what="The snapshots" feed={snapshots} everyMs={EVERY.snapshots} onRetry={refresh.snapshots}>
          {(list) => {
            const fitting = list.snapshots.filter(
              (one) =>
                (of('kind') === '' || one.purpose === of('kind')) &&
                (of('worth') === '' || labelOf(one) === of('worth')),
            );
            return <List snapshots={fitting} isMore={list.more} isNone={list.snapshots.length === 0} />;
          }}
        </FeedContent>
      </section>
    </>
  );
}

interface ListProps {
  readonly snapshots: readonly ListedSnapshot[];
  readonly isMore: boolean;
  readonly isNone: boolean;
}

function List({ snapshots, isMore, isNone }: ListProps) {
  const { route } = useAppState();
  if (isNone) {
    return (
      <p>
        There is no snapshot yet. <a href={address(['snapshots'], { do: 'backup' })}>Back up now</a>.
      </p>
    );
  }
  const pages = Math.max(1, Math.ceil(snapshots.length / PAGE));
  const page = Math.min(pages, Math.max(1, Number(route.query.get('page') ?? 1) || 1));
  const shown = snapshots.slice((page - 1) * PAGE, page * PAGE);
  return (
    <>
      {shown.length === 0 && <p class="empty">No snapshot matches.</p>}
      {shown.length > 0 && (
        <Table
          caption="Snapshots, newest first"
          columns={['Taken', 'State', '#Keys', '#Stored', 'Kept because', 'Removed', '']}
          rows={shown.map(rowOf)}
        />
      )}
      <p class="buttons">
        <span class="meta">
          {counted(snapshots.length, 'snapshot')}
          {pages > 1 && `, page ${page} of ${pages}`}
        </span>
        {page > 1 && <a href={changeQuery(route, { page: String(page - 1) })}>Newer</a>}
        {page < pages && <a href={changeQuery(route, { page: String(page + 1) })}>Older</a>}
      </p>
      {isMore && <p class="meta">Older snapshots exist: the command line lists them.</p>}
    </>
  );
}

function rowOf(snapshot: ListedSnapshot): Row {
  const { createdAt, goesAt, id, keys, kept, reasons, storedBytes } = snapshot;
  const label = labelOf(snapshot);
  return {
    key: id,
    cells: [
      <>
        <a href={address(['snapshots', id])}>
          <Time at={createdAt} />
        </a>
        <Marks snapshot={snapshot} />
      </>,
      <>
        <Badge tone={LABEL_TONES[label]}>{label}</Badge>
        {label !== 'verified' && reasons.length > 0 && <p class="meta">{reasons.join('; ')}</p>}
      </>,
      formatKnown(keys),
      formatKnown(storedBytes, bytes),
      <span class="meta">{describeKept(kept)}</span>,
      <span class="meta">
        <Goes goesAt={goesAt} kept={kept} />
      </span>,
      <span class="buttons">
        {isRestorable(snapshot) && (
          <a href={address(['restore'], { snapshot: id })}>
            Restore <span class="hidden">{id}</span>
          </a>
        )}
      </span>,
    ],
  };
}

/** When retention removes a snapshot. "Not known" does not mean never. */
export function Goes({ goesAt, kept }: Pick<ListedSnapshot, 'goesAt' | 'kept'>) {
  const { zone } = useAppState();
  if (goesAt !== null)
    return kept.includes('no-rule') || kept.includes('aside-over') ? (
      <>with the next prune</>
    ) : (
      <span class="nowrap">{formatDay(goesAt, zone)}</span>
    );
  if (kept.includes('pinned')) return <>not before it is unpinned</>;
  return <>{kept.length === 0 ? 'not known' : 'not planned'}</>;
}

function Marks({ snapshot }: { readonly snapshot: ListedSnapshot }) {
  const { encrypted, failed, label, own, pinned, purpose, source, unexplained, unsupported } = snapshot;
  const missing = (failed ?? 0) + (unsupported ?? 0) + (unexplained ?? 0);
  const marks = [
    ...(purpose === 'safety' ? ['saved before a restore'] : []),
    ...(purpose === 'imported' ? ['imported from a file'] : []),
    ...(own === false && purpose !== 'imported' ? [`of another database: ${label ?? source ?? 'unnamed'}`] : []),
    ...(encrypted === true ? ['encrypted'] : []),
    ...(pinned ? ['pinned'] : []),
    ...(missing > 0 ? [`${count(missing)} keys not saved`] : []),
  ];
  return marks.length === 0 ? null : <p class="meta">{marks.join(', ')}</p>;
}
