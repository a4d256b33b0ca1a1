import { projectsIn, type Beside, type ReindexScope } from './model.js';

const PLAIN_WORD = /^[\w.:@-]+$/;

/**
 * The command that re-indexes a scope, with these options; `ID` stands for an id that a shell would not take as it is.
 * Items have none: it is that of their project.
 */
export function reindexCommand(scope: ReindexScope, ...options: readonly string[]): string {
  const projects = projectsIn(scope);
  if (projects === null) return command('--all', ...options);
  return projects.map((id) => command(`--project ${PLAIN_WORD.test(id) ? id : 'ID'}`, ...options)).join(' && ');
}

/** The options that name where vectors are built beside those that the application searches, and with which model. */
export function placeOptions({ index, suffix }: Beside, model: string): string {
  return `${index === 'next' ? '--next' : `--into ${suffix}`} --model ${model}`;
}

/** The command that does what a run has left. */
export function retryCommand(run: string): string {
  return command(`--retry ${run}`);
}

function command(...options: readonly string[]): string {
  return ['npx soulcaster-backup reindex', ...options, '--env-file .env'].join(' ');
}
