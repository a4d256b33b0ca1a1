import type { RunSummary } from '../api/types.js';
import { projectName, useDesk } from '../state/desk.js';
import { address } from '../words/address.js';
import { instant } from '../words/format.js';
import { runWords } from '../words/run-words.js';

/** What a run is, in words, as a link to its view. */
export function RunName({ run }: { readonly run: Pick<RunSummary, 'runId' | 'title' | 'aim' | 'input'> }) {
  return (
    <a class="name" href={address(['runs', run.runId])}>
      <RunWords run={run} />
    </a>
  );
}

export function RunWords({ run }: { readonly run: Pick<RunSummary, 'title' | 'aim' | 'input'> }) {
  const { projects, zone } = useDesk();
  return (
    <bdi>
      {runWords(
        run,
        (id) => projectName(projects, id),
        (iso) => instant(iso, zone),
      )}
    </bdi>
  );
}

/** A project by its name, whatever stands in that, as a link to its view. */
export function ProjectLink({ id }: { readonly id: string }) {
  const { projects } = useDesk();
  return (
    <a class="name" href={address(['projects', id])}>
      <bdi>{projectName(projects, id)}</bdi>
    </a>
  );
}
