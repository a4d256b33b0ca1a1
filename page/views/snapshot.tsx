import { useCallback, useState } from 'preact/hooks';
import type { ListedSnapshot, SnapshotDetail } from '../api/types.js';
import { Ask } from '../parts/ask.js';
import { Badge } from '../parts/badge.js';
import { Facts, type Fact } from '../parts/facts.js';
import { Fed, Panel } from '../parts/panel.js';
import { RunName, ProjectLink } from '../parts/names.js';
import { Table } from '../parts/table.js';
import { Time } from '../parts/time.js';
import { useDesk } from '../state/desk.js';
import { useFeed } from '../state/use-feed.js';
import { address } from '../words/address.js';
import { bytes, count, day, instant, known, UNKNOWN, type Zone } from '../words/format.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { isRestorable, keptWords, labelOf, LABEL_TONES } from '../words/labels.js';
import { Diff } from './diff.js';
import { Download } from './download.js';
import { Keys } from './keys.js';
import { Goes } from './snapshots.js';

/** One snapshot: what it is worth, what is in it, and what can be done with it. */
export function SnapshotView({ id }: { readonly id: string }) {
  const { api, snapshots, zone } = useDesk();
  const load = useCallback(() => api.snapshot(id), [api, id]);
  const [feed, refresh] = useFeed(load, null);
  const listed = snapshots.data?.snapshots.find((one) => one.id === id) ?? null;
  return (
    <>
      <h1 tabIndex={-1}>{feed.data === null ? 'Snapshot' : `Snapshot of ${instant(feed.data.createdAt, zone)}`}</h1>
      <p class="meta">
        <a href={address(['snapshots'])}>Snapshots</a> / <code>{id}</code>
      </p>
      <Fed what="The snapshot" feed={feed} everyMs={null} onRetry={refresh}>
        {(snapshot) => <Shown snapshot={snapshot} listed={listed} refresh={refresh} />}
      </Fed>
    </>
  );
}

interface ShownProps {
  readonly snapshot: SnapshotDetail;
  /** The same as the list has it, with what retention says; null where the list does not have it. */
  readonly listed: ListedSnapshot | null;
  readonly refresh: () => void;
}

function Shown({ snapshot, listed, refresh }: ShownProps) {
  const { zone } = useDesk();
  const { id, reasons, doubts } = snapshot;
  const label = labelOf(snapshot);
  return (
    <>
      <section class={`verdict ${LABEL_TONES[label]}`} aria-label="Worth">
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
          <Panel title="What it is">
            <Facts facts={factsOf(snapshot, listed, zone)} />
          </Panel>
          <Panel title="Its restores and verifications">
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
  const { api, refresh: feeds } = useDesk();
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
        <Ask
          open="Pin…"
          verb="Pin"
          reason="Why does it have to stay?"
          onDo={(why) => api.pin(id, true, why)}
          onDone={done}
        >
          No prune removes it until it is unpinned.
        </Ask>
      ) : (
        <Ask open="Unpin…" verb="Unpin" onDo={() => api.pin(id, false)} onDone={done}>
          Retention decides again: it may go with the next prune.
        </Ask>
      )}
      {trust === 'doubtful' && (
        <Ask
          open="Accept it…"
          verb="Accept"
          reason="Why is it a good one all the same?"
          onDo={(why) => api.accept(id, why)}
          onDone={done}
        >
          It counts as trusted from now on, and may be what latest means. Do this only where you know why it is as it
          is.
        </Ask>
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
    ['Keys', known(keys)],
    [
      'Not saved',
      `${known(failed)} failed, ${known(unsupported)} of types that cannot be held, ${known(unexplained)} unexplained`,
    ],
    ['Size', `${known(plainBytes, bytes)}, stored ${known(storedBytes, bytes)} in ${known(parts)} parts`],
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
          ['Kept because', keptWords(listed.kept) || 'no rule keeps it'] as Fact,
          ['Goes', <Goes goesAt={listed.goesAt} kept={listed.kept} />] as Fact,
        ]),
    ...(pinned === null ? [] : [['Pinned', `${pinned.reason} (${pinned.by}, ${day(pinned.at, zone)})`] as Fact]),
    ['Before it', previous === null ? 'none' : <a href={address(['snapshots', previous.id])}>{previous.id}</a>],
  ];
}

function Projects({ snapshot }: { readonly snapshot: SnapshotDetail }) {
  const { counts, id } = snapshot;
  const rows = counts === null ? null : Object.entries(counts.byProject).sort(([, a], [, b]) => b - a);
  if (rows === null) return <p class="empty">Not known: its manifest cannot be read.</p>;
  if (rows.length === 0) return <p class="empty">It holds no project.</p>;
  return (
    <Table
      caption="Projects in it, by keys"
      columns={['Project', '#Keys', '']}
      rows={rows.map(([project, keys]) => ({
        key: project,
        cells: [
          <ProjectLink id={project} />,
          count(keys),
          isRestorable(snapshot) && (
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

/** Restores and verifications of this snapshot among the last runs; read when somebody asks for them. */
function Runs({ id }: { readonly id: string }) {
  const [asked, setAsked] = useState(false);
  if (asked) return <RunsOf id={id} />;
  return (
    <button type="button" onClick={() => setAsked(true)}>
      Look for them
    </button>
  );
}

function RunsOf({ id }: { readonly id: string }) {
  const { api } = useDesk();
  const load = useCallback(async () => {
    const pages = await Promise.all(['restore', 'verify', 'drill'].map((kind) => api.runs({ kind, limit: 50 })));
    return pages.flatMap(({ runs }) => runs.filter((run) => fieldsOf(run.input)['snapshot'] === id));
  }, [api, id]);
  const [feed, refresh] = useFeed(load, null);
  return (
    <Fed what="The runs" feed={feed} everyMs={null} onRetry={refresh}>
      {(runs) =>
        runs.length === 0 ? (
          <p class="empty">None among the last 50 of each kind.</p>
        ) : (
          <ul class="rows">
            {runs.map((run) => (
              <li key={run.runId}>
                <RunName run={run} />{' '}
                <span class="meta">
                  {run.state}, begun <Time at={run.createdAt} />
                </span>
              </li>
            ))}
          </ul>
        )
      }
    </Fed>
  );
}
