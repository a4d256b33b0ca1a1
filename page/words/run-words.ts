import { scopeOf, scopeWords } from '../../lib/restore/scope-words.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import type { RunSummary } from '../api/types.js';

/** What people call the run, as the server says it. */
export function titleWords({ title }: Pick<RunSummary, 'title'>): string {
  return `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
}

/**
 * What a run is, so that it is told from others: `Restore · Acme API · from 24 Nov 02:00 · LIVE`. `nameOf` gives the name of a
 * project, `when` the instant in the words that instants are told in.
 */
export function runWords(
  run: Pick<RunSummary, 'title' | 'aim' | 'input'>,
  nameOf: (project: string) => string,
  when: (iso: string) => string,
): string {
  const input = fieldsOf(run.input);
  const scope = scopeOf(input['scope']);
  const time = typeof input['snapshot'] === 'string' ? timeOfId(input['snapshot']) : null;
  return [
    titleWords(run),
    ...(scope === null ? [] : ['project' in scope ? nameOf(scope.project) : scopeWords(scope)]),
    ...(time === null ? [] : [`${scope === null ? 'of' : 'from'} ${when(time)}`]),
    ...(run.aim === null ? [] : [run.aim]),
  ].join(' · ');
}

/** The time in an id, in ISO 8601; null for what is no id. */
export function timeOfId(id: string): string | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(id);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}
