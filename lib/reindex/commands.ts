import { projectsIn, type Beside, type ReindexScope } from './model.js';

const PLAIN_WORD = /^[\w.:@-]+$/;

/**
 * The command that re-indexes a scope, with these options; `ID` replaces an id that would need quoting in a shell.
 * For items it is the command of their project: items have no option.
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

/** The command that finishes the work of an incomplete run. */
export function retryCommand(run: string): string {
  return command(`--retry ${run}`);
}

function command(...options: readonly string[]): string {
  return ['npx soulcaster-backup reindex', ...options, '--env-file .env'].join(' ');
}
