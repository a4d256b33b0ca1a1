import { useCallback, useState } from 'preact/hooks';
import type { ListedSnapshot, SnapshotDetail } from '../api/types.js';
import { ConfirmAction } from '../parts/actions.js';
import { Badge, Facts, type Fact, RunName, ProjectLink, Time, Problem } from '../parts/text.js';
import { FeedContent, Panel, Table } from '../parts/panel.js';
import { useAppState } from '../state/app-state.js';
import { useFeed, asCallError } from '../state/use-feed.js';
import { address } from '../words/address.js';
import { bytes, count, formatDay, formatInstant, formatKnown, UNKNOWN, type Zone } from '../words/format.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { isRestorable, describeKept, labelOf, LABEL_TONES } from '../words/labels.js';
import { Diff } from './diff.js';
import { Keys } from './keys.js';
import { Goes } from './snapshots.js';
import type { CallError } from '../api/errors.js';

/** One snapshot: its state, its contents, and the actions on it. */
export function SnapshotView({ id }: { readonly id: string }) {
  const { api, snapshots, zone } = useAppState();
  const load = useCallback(() => api.snapshot(id), [api, id]);
  const [feed, refresh] = useFeed(load, null);
  const listed = snapshots.data?.snapshots.find((one) => one.id === id) ?? null;
  return (
    <>
      <h1 tabIndex={-1}>
        {feed.data === null ? 'Snapshot' : `Snapshot of ${formatInstant(feed.data.createdAt, zone)}`}
      </h1>
      <p class="meta">
        <a href={address(['snapshots'])}>Snapshots</a> / <code>{id}</code>
      </p>
      <FeedContent what="The snapshot" feed={feed} everyMs={null} onRetry={refresh}>
        {(snapshot) => <Shown snapshot={snapshot} listed={listed} refresh={refresh} />}
      </FeedContent>
    </>
  );
}

interface ShownProps {
  readonly snapshot: SnapshotDetail;
  /** The snapshot's entry in the list, with the decision of retention; null when it is not listed. */
  readonly listed: ListedSnapshot | null;
  readonly refresh: () => void;
}

function Shown({ snapshot, listed, refresh }: ShownProps) {
  const { zone } = useAppState();
  const { id, reasons, doubts } = snapshot;
  const label = labelOf(snapshot);
  return (
    <>
      <section class={`verdict ${LABEL_TONES[label]}`} aria-label="State">
        <p class="row-title">
          <Badge tone={LABEL_TONES[label]}>{label}</Badge>
        </p>
        {reasons.map((words) => (
          <p key={words}>{words}</p>
        ))}
        {doubts.map(({ detail }) => (
          <p key={detail}>{detail}</p>
        ))}
        <Acts snapshot={snapshot} refresh={refresh} />
      </section>
      <div class="columns">
        <div class="column">
          <Panel title="Details">
            <Facts facts={factsOf(snapshot, listed, zone)} />
          </Panel>
          <Panel title="Restores and verifications">
            <Runs id={id} />
          </Panel>
        </div>
        <div class="column">
          <Panel title="Projects">
            <Projects snapshot={snapshot} />
          </Panel>
          <Panel title="Families of keys">
            <Counts
              counts={snapshot.counts?.byFamily ?? null}
              name="Family"
              to={(family) => address(['snapshots', id], { family })}
            />
          </Panel>
        </div>
      </div>
      <Panel title="Keys">
        <Keys id={id} />
      </Panel>
      <Panel title="Compare">
        <Diff id={id} />
      </Panel>
    </>
  );
}

function Acts({ snapshot, refresh }: Pick<ShownProps, 'snapshot' | 'refresh'>) {
  const { api, refresh: feeds } = useAppState();
  const { id, pinned, trust } = snapshot;
  const done = (): void => {
    refresh();
    feeds.snapshots();
    feeds.status();
  };
  return (
    <div class="buttons">
      {isRestorable(snapshot) && (
        <a class="button danger-line" href={address(['restore'], { snapshot: id })}>
          Restore from it…
        </a>
      )}
      <a class="button" href={address(['snapshots', id], { do: 'verify', of: id })}>
        Verify…
      </a>
      <Download id={id} />
      {pinned === null ? (
        <ConfirmAction
          label="Pin…"
          confirmLabel="Pin"
          reasonLabel="Why must it be kept?"
          perform={(why) => api.pin(id, true, why)}
          onDone={done}
        >
          The snapshot is not pruned until it is unpinned.
        </ConfirmAction>
      ) : (
        <ConfirmAction label="Unpin…" confirmLabel="Unpin" perform={() => api.pin(id, false)} onDone={done}>
          Retention applies again: the next prune may remove the snapshot.
        </ConfirmAction>
      )}
      {trust === 'doubtful' && (
        <ConfirmAction
          label="Accept it…"
          confirmLabel="Accept"
          reasonLabel="Why can it be trusted?"
          perform={(why) => api.accept(id, why)}
          onDone={done}
        >
          The snapshot counts as trusted from now on, and may become latest. Do this only if you know the cause of the
          doubts.
        </ConfirmAction>
      )}
    </div>
  );
}

function factsOf(snapshot: SnapshotDetail, listed: ListedSnapshot | null, zone: Zone): Fact[] {
  const { createdAt, encrypted, failed, keys, label, own, parts, pinned, plainBytes, previous, purpose } = snapshot;
  const { source, storedBytes, unexplained, unsupported, verification } = snapshot;
  return [
    ['Taken', <Time at={createdAt} />],
    ['Kind', purpose === 'safety' ? 'saved before a restore' : (purpose ?? UNKNOWN)],
    ['Database', own === true ? 'this one' : `${label ?? source ?? UNKNOWN}${own === false ? ' (another)' : ''}`],
    ['Keys', formatKnown(keys)],
    [
      'Not saved',
      `${formatKnown(failed)} failed, ${formatKnown(unsupported)} of types that cannot be held, ${formatKnown(unexplained)} unexplained`,
    ],
    [
      'Size',
      `${formatKnown(plainBytes, bytes)}, stored ${formatKnown(storedBytes, bytes)} in ${formatKnown(parts)} parts`,
    ],
    ['Encrypted', encrypted === null ? UNKNOWN : encrypted ? 'yes' : 'no'],
    [
      'Checked',
      verification === null ? (
        'never'
      ) : (
        <>
          {verification.state}, <Time at={verification.at} />
        </>
      ),
    ],
    ...(listed === null
      ? []
      : [
          ['Kept because', describeKept(listed.kept) || 'no rule keeps it'] as Fact,
          ['Removed', <Goes goesAt={listed.goesAt} kept={listed.kept} />] as Fact,
        ]),
    ...(pinned === null ? [] : [['Pinned', `${pinned.reason} (${pinned.by}, ${formatDay(pinned.at, zone)})`] as Fact]),
    ['Previous', previous === null ? 'none' : <a href={address(['snapshots', previous.id])}>{previous.id}</a>],
  ];
}

function Projects({ snapshot }: { readonly snapshot: SnapshotDetail }) {
  const { counts, id } = snapshot;
  const rows = counts === null ? null : Object.entries(counts.byProject).sort(([, a], [, b]) => b - a);
  if (rows === null) return <p class="empty">Not known: its manifest cannot be read.</p>;
  if (rows.length === 0) return <p class="empty">It holds no project.</p>;
  const isHashed = snapshot.encrypted;
  return (
    <Table
      caption={
        isHashed ? 'Projects in it, by keys: hashes of their ids, since it is encrypted' : 'Projects in it, by keys'
      }
      columns={['Project', '#Keys', '']}
      rows={rows.map(([project, keys]) => ({
        key: project,
        cells: [
          isHashed ? <code>{project}</code> : <ProjectLink id={project} />,
          count(keys),
          !isHashed && isRestorable(snapshot) && (
            <a href={address(['restore'], { snapshot: id, scope: 'project', project })}>
              Restore <span class="hidden">{project}</span>
            </a>
          ),
        ],
      }))}
    />
  );
}

interface CountsProps {
  readonly counts: Readonly<Record<string, number>> | null;
  readonly name: string;
  readonly to: (name: string) => string;
}

function Counts({ counts, name, to }: CountsProps) {
  if (counts === null) return <p class="empty">Not known: its manifest cannot be read.</p>;
  return (
    <Table
      caption={`Keys by ${name.toLowerCase()}`}
      columns={[name, '#Keys']}
      rows={Object.entries(counts)
        .sort(([, a], [, b]) => b - a)
        .map(([key, number]) => ({ key, cells: [<a href={to(key)}>{key}</a>, count(number)] }))}
    />
  );
}

/** Restores and verifications of this snapshot among the last runs; loaded on request. */
function Runs({ id }: { readonly id: string }) {
  const [isRequested, setRequested] = useState(false);
  if (isRequested) return <RunsOf id={id} />;
  return (
    <button type="button" onClick={() => setRequested(true)}>
      Find runs
    </button>
  );
}

function RunsOf({ id }: { readonly id: string }) {
  const { api } = useAppState();
  const load = useCallback(async () => {
    const pages = await Promise.all(['restore', 'verify', 'drill'].map((kind) => api.runs({ kind, limit: 50 })));
    return pages.flatMap(({ runs }) => runs.filter((run) => fieldsOf(run.input)['snapshot'] === id));
  }, [api, id]);
  const [feed, refresh] = useFeed(load, null);
  return (
    <FeedContent what="The runs" feed={feed} everyMs={null} onRetry={refresh}>
      {(runs) =>
        runs.length === 0 ? (
          <p class="empty">None among the last 50 of each kind.</p>
        ) : (
          <ul class="rows">
            {runs.map((run) => (
              <li key={run.runId}>
                <RunName run={run} />{' '}
                <span class="meta">
                  {run.state}, started <Time at={run.createdAt} />
                </span>
              </li>
            ))}
          </ul>
        )
      }
    </FeedContent>
  );
}

/** Saves all records of a snapshot as a file. A plain link cannot do that: the token is sent in a header. */
function Download({ id }: { readonly id: string }) {
  const { api } = useAppState();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<CallError | null>(null);
  const save = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(await api.download(id, {}));
      link.download = `${id}.jsonl.gz`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (thrown) {
      setError(asCallError(thrown));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" disabled={busy} onClick={() => void save()}>
        {busy ? 'Downloading…' : 'Download'}
      </button>
      {error !== null && <Problem title="The snapshot cannot be downloaded" error={error} />}
    </>
  );
}
