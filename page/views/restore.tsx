import { useCallback, useLayoutEffect, useRef, useState, useId } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { scopeWords } from '../../lib/restore/scope-words.js';
import type { Mode, Scope } from '../api/types.js';
import { Choices, SnapshotField, ProjectField } from '../dialogs/dialog.js';
import { Badge, Command, Time } from '../parts/text.js';
import { Outcome } from '../parts/actions.js';
import { FeedContent } from '../parts/panel.js';
import { deploymentOf, projectName, useAppState, useRun } from '../state/app-state.js';
import { newestRestorable } from '../state/restore.js';
import { navigate } from '../state/browser.js';
import { isOver, timeOfId } from '../words/runs.js';
import { isPending, useAction } from '../state/use-action.js';
import { commands } from '../words/commands.js';
import { isRestorable, labelOf, LABEL_TONES } from '../words/labels.js';
import {
  restoreAddress,
  parsePlannedRestore,
  chosenScope,
  parseRestoreChoices,
  type PlannedRestore,
  type ScopeKind,
  type RestoreChoices,
} from '../words/restore-choices.js';
import { Plan } from './restore-plan.js';
import { useFeed } from '../state/use-feed.js';
import { count } from '../words/format.js';

const MODES = [
  ['replace', 'Replace', 'makes the data equal to the snapshot: newer keys are removed'],
  ['merge', 'Merge', 'writes what the snapshot has, removes nothing'],
  ['missing', 'Missing only', 'writes only keys that do not exist'],
] as const satisfies readonly (readonly [Mode, string, string])[];
const SCOPES = [
  ['project', 'One project', 'all keys of the project'],
  ['families', 'Families of keys', 'such as feedback or clusters, of one project or of all'],
  ['keys', 'Some keys', 'by their names'],
  ['matches', 'Keys that match', 'by a pattern, such as config:*'],
  ['all', 'Everything', 'the whole database'],
] as const satisfies readonly (readonly [ScopeKind, string, string])[];
const STAGES = ['Choose', 'See the plan', 'Confirm'] as const;

/** Three steps: choose, see the plan, confirm. Nothing is written before the third; then the view of the run opens. */
export function RestoreView() {
  const { route } = useAppState();
  const plan = route.query.get('plan');
  const wanted = parseRestoreChoices(route.query);
  return (
    <>
      <h1 tabIndex={-1}>Restore</h1>
      {plan === null ? (
        <Choose key={route.query.toString()} first={wanted} />
      ) : (
        <PlanStage run={plan} wanted={wanted} />
      )}
    </>
  );
}

/** A summary that is visible at every step: the snapshot, the scope and the target database. */
function Pinned({ scope, snapshot, target }: Pick<PlannedRestore, 'snapshot' | 'scope' | 'target'>) {
  const app = useAppState();
  const { projects, snapshots } = app;
  const deployment = deploymentOf(app);
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
  // Keyboard and screen reader users continue at the heading of the step.
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

function Choose({ first }: { readonly first: RestoreChoices }) {
  const { api, snapshots } = useAppState();
  const newest = newestRestorable(snapshots.data?.snapshots ?? []) ?? '';
  const [chosen, setChosen] = useState(first);
  const wanted = chosen.snapshot === '' ? { ...chosen, snapshot: newest } : chosen;
  const change = (changes: Partial<RestoreChoices>): void => {
    const next = { ...wanted, ...changes };
    setChosen(next);
    // A reload keeps the choices. Replacing the entry keeps the history free of one entry per keystroke.
    history.replaceState(null, '', restoreAddress(next));
  };
  const scope = chosenScope(wanted);
  const isForeign = useIsForeign(wanted.snapshot);
  const order = { snapshot: wanted.snapshot, scope: scope ?? NO_SCOPE, mode: wanted.mode, dryRun: true };
  const action = useAction(
    'restore',
    useCallback(
      () => api.restore({ ...order, confirm: null, ...(isForeign ? { fromSource: true } : {}) }),
      [api, JSON.stringify(order), isForeign],
    ),
    (run) => navigate(restoreAddress(wanted, run)),
  );
  const isBusy = isPending(action);
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
            <LinesField label="Keys, one per line" value={wanted.keys} onChange={(keys) => change({ keys })}>
              Full names, taken literally: <code>*</code> is no wildcard. A line in double quotes is read as JSON, for
              names with line breaks; <code>base64:</code> marks the base64 of a name that is not text.
            </LinesField>
          )}
          {wanted.scope === 'matches' && (
            <LinesField
              label="Patterns, one per line"
              value={wanted.matches}
              onChange={(matches) => change({ matches })}
            >
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

/** Placeholder while no scope is chosen. Never sent: the button is disabled. */
const NO_SCOPE: Scope = { project: ' ' };

function useIsForeign(snapshot: string): boolean {
  const { snapshots } = useAppState();
  return snapshots.data?.snapshots.find(({ id }) => id === snapshot)?.own === false;
}

function PlanStage({ run: id, wanted }: { readonly run: string; readonly wanted: RestoreChoices }) {
  const [feed, refresh, everyMs] = useRun(id);
  const run = feed.data;
  const { scope, snapshot, target } = parsePlannedRestore(run?.input, wanted);
  const isReady = run !== null && isOver(run.state) && run.state !== 'failed';
  return (
    <>
      <Pinned snapshot={snapshot} scope={scope} target={target} />
      <Stage at={isReady ? 2 : 1} key={isReady ? 'ready' : 'planning'}>
        <FeedContent what="The plan" feed={feed} everyMs={everyMs} onRetry={refresh}>
          {(planned) => <Plan run={planned} wanted={wanted} />}
        </FeedContent>
        <p class="buttons">
          <a class="button" href={restoreAddress(wanted)}>
            Back to the choices
          </a>
        </p>
      </Stage>
    </>
  );
}

interface FamiliesProps {
  readonly wanted: RestoreChoices;
  readonly onChange: (families: readonly string[]) => void;
}

function Families({ wanted: { families, snapshot }, onChange }: FamiliesProps) {
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

function LinesField({ label, value, onChange, children }: LinesProps) {
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
