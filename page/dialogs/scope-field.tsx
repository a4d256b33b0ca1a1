import { useId } from 'preact/hooks';
import type { Scope, WholeScope } from '../api/types.js';
import { useAppState } from '../state/app-state.js';
import { count } from '../words/format.js';

interface Props {
  /** Null: one project, not chosen yet. */
  readonly scope: Scope | null;
  readonly onChange: (scope: WholeScope | null) => void;
}

/** Chooses one project or everything. One project is the default: it is needed more often, and changes less. */
export function ScopeField({ scope, onChange }: Props) {
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
