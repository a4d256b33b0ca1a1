import { projectName, useDesk } from '../state/desk.js';
import { address } from '../words/address.js';

/** A project by its name, whatever stands in that, as a link to its view. */
export function ProjectLink({ id }: { readonly id: string }) {
  const { projects } = useDesk();
  return (
    <a class="name" href={address(['projects', id])}>
      <bdi>{projectName(projects, id)}</bdi>
    </a>
  );
}
