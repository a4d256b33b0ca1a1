import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import type { Started, ListedSnapshot as Snapshot, Scope, WholeScope } from '../api/types.js';
import { Command } from '../parts/text.js';
import { Outcome } from '../parts/actions.js';
import { navigate } from '../state/browser.js';
import { isPending, useAction } from '../state/use-action.js';
import { address } from '../words/address.js';
import { useAppState } from '../state/app-state.js';
import { counted, formatInstant, count } from '../words/format.js';
import { labelOf } from '../words/labels.js';

interface DialogProps {
  readonly title: string;
  /** Null: the dialog cannot be closed, because nothing behind it works. */
  readonly onClose: (() => void) | null;
  readonly children: ComponentChildren;
}

/**
 * A modal dialog: the browser keeps the focus inside, closes it with Escape and restores the focus. The first field gets the
 * focus or, without fields, the submit button.
 */
export function Dialog({ title, onClose, children }: DialogProps) {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  const isShown = useRef(true);
  useLayoutEffect(() => {
    const dialog = element.current;
    if (dialog === null || dialog.open) return undefined;
    dialog.showModal();
    const first = dialog.querySelector<HTMLElement>('input, select, textarea');
    (first ?? dialog.querySelector<HTMLElement>('[type=submit]'))?.focus();
    return () => {
      // The close event of this call arrives later and must not count as closed by the operator.
      isShown.current = false;
      dialog.close();
    };
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={id}
      onClose={() => isShown.current && onClose?.()}
      onCancel={(event) => onClose === null && event.preventDefault()}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {onClose !== null && (
          <button type="button" class="quiet" onClick={onClose}>
            Close
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}

interface ActionProps {
  readonly title: string;
  readonly kind: string;
  readonly verb: string;
  readonly command: string;
  readonly send: () => Promise<Started>;
  readonly ready?: boolean;
  readonly onClose: () => void;
  /** What the action does, and its options. */
  readonly children: ComponentChildren;
}

/** A dialog that starts a run, and then opens the view of the run. */
export function ActionDialog({ title, kind, verb, command, send, ready = true, onClose, children }: ActionProps) {
  const action = useAction(kind, send, (run) => navigate(address(['runs', run])));
  const isBusy = isPending(action);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (ready && !isBusy) action.start();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {children}
        <Command line={command} />
        <Outcome action={action} kind={kind} />
        <div class="buttons end">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={!ready || isBusy}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

interface SnapshotFieldProps {
  readonly value: string;
  readonly onChange: (id: string) => void;
  readonly only?: (snapshot: Snapshot) => boolean;
}

/** Chooses one of the listed snapshots. A chosen snapshot that is not listed any more stays chosen. */
export function SnapshotField({ value, onChange, only = () => true }: SnapshotFieldProps) {
  const id = useId();
  const { snapshots, zone } = useAppState();
  const offered = (snapshots.data?.snapshots ?? []).filter(only);
  const known = offered.some((snapshot) => snapshot.id === value);
  return (
    <div class="field">
      <label for={id}>Snapshot</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {!known && <option value={value}>{value === '' ? 'None to choose' : value}</option>}
        {offered.map((snapshot) => (
          <option key={snapshot.id} value={snapshot.id}>
            {`${formatInstant(snapshot.createdAt, zone)}, ${snapshot.keys === null ? 'keys not known' : counted(snapshot.keys, 'key')}, ${labelOf(snapshot)}${snapshot.purpose === 'safety' ? ', saved before a restore' : ''}${ofAnother(snapshot)}`}
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

interface ChoicesProps<T extends string> {
  readonly legend: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, name: string, meaning: string])[];
  readonly onChange: (value: T) => void;
}

/** Radio buttons, each with an explanation. */
export function Choices<T extends string>({ legend, value, choices, onChange }: ChoicesProps<T>) {
  const name = useId();
  return (
    <fieldset>
      <legend>{legend}</legend>
      {choices.map(([choice, words, meaning]) => (
        <label key={choice} class="choice">
          <input type="radio" name={name} checked={choice === value} onChange={() => onChange(choice)} />
          <span>
            {words} <span class="hint">{meaning}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

interface TypedWordProps {
  /** What the word is: `the project's id`. */
  readonly what: ComponentChildren;
  readonly word: string;
  readonly value: string;
  readonly onChange: (typed: string) => void;
}

/** A field for the confirmation word of an irreversible action; the server requires the same word. */
export function TypedWord({ what, word, value, onChange }: TypedWordProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>
        To confirm, type {what}: <code class="name">{word}</code>
      </label>
      <input
        id={id}
        value={value}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </div>
  );
}

interface ScopeProps {
  /** Null: one project, not chosen yet. */
  readonly scope: Scope | null;
  readonly onChange: (scope: WholeScope | null) => void;
}

/** Chooses one project or everything. One project is the default: it is needed more often, and changes less. */
export function ScopeField({ scope, onChange }: ScopeProps) {
  const name = useId();
  const all = scope !== null && 'all' in scope;
  return (
    <fieldset>
      <legend>What</legend>
      <label class="choice">
        <input type="radio" name={name} checked={!all} onChange={() => onChange(null)} />
        <span>One project</span>
      </label>
      {!all && (
        <ProjectField
          inset
          value={scope !== null && 'project' in scope ? scope.project : ''}
          onChange={(project) => onChange(project === '' ? null : { project })}
        />
      )}
      <label class="choice">
        <input type="radio" name={name} checked={all} onChange={() => onChange({ all: true })} />
        <span>Everything</span>
      </label>
    </fieldset>
  );
}

/** A listed project, or any other by its id: a deleted project may exist only in an old snapshot. */
export function ProjectField({
  value,
  inset = false,
  onChange,
}: {
  readonly value: string;
  readonly inset?: boolean;
  readonly onChange: (project: string) => void;
}) {
  const id = useId();
  const { projects } = useAppState();
  return (
    <div class={inset ? 'field inset' : 'field'}>
      <label for={id}>Project</label>
      <input
        id={id}
        list={`${id}-list`}
        value={value}
        maxLength={512}
        placeholder="Choose, or type its id"
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <datalist id={`${id}-list`}>
        {(projects.data?.projects ?? []).map(({ project, name, keys }) => (
          <option key={project} value={project}>
            {[name, keysWords(keys)].filter((word) => word !== null).join(', ')}
          </option>
        ))}
      </datalist>
    </div>
  );
}

/** Null is not known; 0 is none. */
function keysWords(keys: number | null): string {
  if (keys === null) return 'keys not known';
  return keys === 0 ? 'not in the newest snapshot' : `${count(keys)} keys`;
}
