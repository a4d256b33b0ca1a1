import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { scopeWords } from '../../lib/restore/scope-words.js';
import type { Mode, Scope } from '../api/types.js';
import { Choices, SnapshotField } from '../dialogs/fields.js';
import { ProjectField } from '../dialogs/scope-field.js';
import { Badge } from '../parts/badge.js';
import { Command } from '../parts/command.js';
import { Outcome } from '../parts/outcome.js';
import { Fed } from '../parts/panel.js';
import { Time } from '../parts/time.js';
import { deploymentOf, projectName, useDesk } from '../state/desk.js';
import { newestRestorable } from '../state/restore.js';
import { go } from '../state/route.js';
import { isOver } from '../state/runs.js';
import { useRun } from '../state/use-run.js';
import { isUnderWay, useAction } from '../state/use-action.js';
import { commands } from '../words/commands.js';
import { timeOfId } from '../words/run-words.js';
import { isRestorable, labelOf, LABEL_TONES } from '../words/labels.js';
import {
  addressOf,
  plannedBy,
  scopeWanted,
  wantedOf,
  type Planned,
  type ScopeKind,
  type Wanted,
} from '../words/wanted.js';
import { Families, LinesField } from './restore-fields.js';
import { Plan } from './restore-plan.js';

const MODES = [
  ['replace', 'Replace', 'ends up as the snapshot: what came since is removed'],
  ['merge', 'Merge', 'writes what the snapshot has, removes nothing'],
  ['missing', 'Missing only', 'writes only keys that are gone'],
] as const satisfies readonly (readonly [Mode, string, string])[];
const SCOPES = [
  ['project', 'One project', 'all that belongs to it'],
  ['families', 'Families of keys', 'such as feedback or clusters, of one project or of all'],
  ['keys', 'Some keys', 'by their names'],
  ['matches', 'Keys that match', 'by a pattern, such as config:*'],
  ['all', 'Everything', 'the whole database'],
] as const satisfies readonly (readonly [ScopeKind, string, string])[];
const STAGES = ['Choose', 'See the plan', 'Confirm'] as const;

/** Choose, see the plan, type what it is about; the view of the run shows the rest. Nothing is written before the third step. */
export function RestoreView() {
  const { route } = useDesk();
  const plan = route.query.get('plan');
  const wanted = wantedOf(route.query);
  return (
    <>
      <h1 tabIndex={-1}>Restore</h1>
      {plan === null ? (
        <Choose key={route.query.toString()} first={wanted} />
      ) : (
        <PlannedBy run={plan} wanted={wanted} />
      )}
    </>
  );
}

/** What it is about stays in view at every step: from which snapshot, what of it, into which database. */
function Pinned({ scope, snapshot, target }: Pick<Planned, 'snapshot' | 'scope' | 'target'>) {
  const desk = useDesk();
  const { projects, snapshots } = desk;
  const deployment = deploymentOf(desk);
  const found = snapshots.data?.snapshots.find(({ id }) => id === snapshot) ?? null;
  const at = found?.createdAt ?? timeOfId(snapshot);
  return (
    <dl class="pinned">
      <div>
        <dt>From</dt>
        <dd>
          {at === null ? 'no snapshot chosen' : <Time at={at} />}{' '}
          {found !== null && <Badge tone={LABEL_TONES[labelOf(found)]}>{labelOf(found)}</Badge>}
        </dd>
      </div>
      <div>
        <dt>What</dt>
        <dd class="name">
          {scope === null ? (
            'not chosen yet'
          ) : (
            <bdi>{'project' in scope ? projectName(projects, scope.project) : scopeWords(scope)}</bdi>
          )}
        </dd>
      </div>
      <div>
        <dt>Into</dt>
        <dd class="name">
          {target !== null
            ? `target ${target}, another database`
            : deployment === null
              ? 'the database (its name is not known)'
              : (deployment.database ?? 'no database')}
          {target === null && deployment?.label != null && ` (${deployment.label})`}
        </dd>
      </div>
    </dl>
  );
}

function Stage({ at, children }: { readonly at: number; readonly children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  // Whoever uses a keyboard or a screen reader continues at the step that was reached.
  useLayoutEffect(() => {
    if (at > 0) heading.current?.focus();
  }, [at]);
  return (
    <section class="panel stage">
      <ol class="stages" aria-label="Steps">
        {STAGES.map((name, index) => (
          <li
            key={name}
            class={index === at ? 'now' : index < at ? 'done' : ''}
            aria-current={index === at ? 'step' : undefined}
          >
            {name}
          </li>
        ))}
      </ol>
      <h2 ref={heading} tabIndex={-1}>
        {STAGES[at]}
      </h2>
      {children}
    </section>
  );
}

function Choose({ first }: { readonly first: Wanted }) {
  const { api, snapshots } = useDesk();
  const newest = newestRestorable(snapshots.data?.snapshots ?? []) ?? '';
  const [chosen, setChosen] = useState(first);
  const wanted = chosen.snapshot === '' ? { ...chosen, snapshot: newest } : chosen;
  const change = (changes: Partial<Wanted>): void => {
    const next = { ...wanted, ...changes };
    setChosen(next);
    // A reload finds what was chosen; nobody has to go back through every letter.
    history.replaceState(null, '', addressOf(next));
  };
  const scope = scopeWanted(wanted);
  const isForeign = useIsForeign(wanted.snapshot);
  const order = { snapshot: wanted.snapshot, scope: scope ?? NOTHING, mode: wanted.mode, dryRun: true };
  const action = useAction(
    'restore',
    useCallback(
      () => api.restore({ ...order, confirm: null, ...(isForeign ? { fromSource: true } : {}) }),
      [api, JSON.stringify(order), isForeign],
    ),
    (run) => go(addressOf(wanted, run)),
  );
  const isBusy = isUnderWay(action);
  const isReady = scope !== null && wanted.snapshot !== '' && !isBusy;
  return (
    <>
      <Pinned snapshot={wanted.snapshot} scope={scope} target={null} />
      <Stage at={0}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (isReady) action.start();
          }}
        >
          <SnapshotField value={wanted.snapshot} only={isRestorable} onChange={(snapshot) => change({ snapshot })} />
          <Choices legend="What" value={wanted.scope} choices={SCOPES} onChange={(kind) => change({ scope: kind })} />
          {(wanted.scope === 'project' || wanted.scope === 'families') && (
            <ProjectField value={wanted.project} onChange={(project) => change({ project })} />
          )}
          {wanted.scope === 'families' && <Families wanted={wanted} onChange={(families) => change({ families })} />}
          {wanted.scope === 'keys' && (
            <LinesField label="Keys, one a line" value={wanted.keys} onChange={(keys) => change({ keys })}>
              The whole name, as it is: <code>*</code> is a star here. In double quotes it is read as JSON, for a name
              of several lines; <code>base64:</code> stands before the base64 of one that is no text.
            </LinesField>
          )}
          {wanted.scope === 'matches' && (
            <LinesField label="Patterns, one a line" value={wanted.matches} onChange={(matches) => change({ matches })}>
              As Redis matches keys: <code>*</code> any text, <code>?</code> one character, <code>[ab]</code> one of
              these.
            </LinesField>
          )}
          <Choices legend="How" value={wanted.mode} choices={MODES} onChange={(mode) => change({ mode })} />
          <Command line={commands.restore({ ...order, scope: scope ?? { project: 'PROJECT' } })} />
          <Outcome action={action} kind="restore" />
          <div class="buttons">
            <button type="submit" class="primary" disabled={!isReady}>
              Show the plan
            </button>
            <span class="meta">A dry run: it changes nothing.</span>
          </div>
        </form>
      </Stage>
    </>
  );
}

/** Never sent: the button that would send it is not ready. */
const NOTHING: Scope = { project: ' ' };

function useIsForeign(snapshot: string): boolean {
  const { snapshots } = useDesk();
  return snapshots.data?.snapshots.find(({ id }) => id === snapshot)?.own === false;
}

function PlannedBy({ run: id, wanted }: { readonly run: string; readonly wanted: Wanted }) {
  const [feed, refresh, everyMs] = useRun(id);
  const run = feed.data;
  const { scope, snapshot, target } = plannedBy(run?.input, wanted);
  const isReady = run !== null && isOver(run.state) && run.state !== 'failed';
  return (
    <>
      <Pinned snapshot={snapshot} scope={scope} target={target} />
      <Stage at={isReady ? 2 : 1} key={isReady ? 'ready' : 'planning'}>
        <Fed what="The plan" feed={feed} everyMs={everyMs} onRetry={refresh}>
          {(planned) => <Plan run={planned} wanted={wanted} />}
        </Fed>
        <p class="buttons">
          <a class="button" href={addressOf(wanted)}>
            Back to the choice
          </a>
        </p>
      </Stage>
    </>
  );
}
