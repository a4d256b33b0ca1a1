import type { RunSummary } from '../api/types.js';
import { projectName, useAppState } from '../state/app-state.js';
import { address } from '../words/address.js';
import { formatInstant } from '../words/format.js';
import { runWords } from '../words/run-words.js';

/** The description of a run, as a link to its view. */
export function RunName({ run }: { readonly run: Pick<RunSummary, 'runId' | 'title' | 'aim' | 'input'> }) {
  return (
    <a class="name" href={address(['runs', run.runId])}>
      <RunWords run={run} />
    </a>
  );
}

export function RunWords({ run }: { readonly run: Pick<RunSummary, 'title' | 'aim' | 'input'> }) {
  const { projects, zone } = useAppState();
  return (
    <bdi>
      {runWords(
        run,
        (id) => projectName(projects, id),
        (iso) => formatInstant(iso, zone),
      )}
    </bdi>
  );
}

/** The name of a project, shown as text whatever it contains, as a link to its view. */
export function ProjectLink({ id }: { readonly id: string }) {
  const { projects } = useAppState();
  return (
    <a class="name" href={address(['projects', id])}>
      <bdi>{projectName(projects, id)}</bdi>
    </a>
  );
}
