import { scopeOf, scopeWords } from '../../lib/restore/scope-words.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import type { RunSummary } from '../api/types.js';

/** The server's title of a run, capitalized. */
export function titleWords({ title }: Pick<RunSummary, 'title'>): string {
  return `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
}

/**
 * Describes a run so that it can be distinguished from others: `Restore · Acme API · from 24 Nov 02:00 · LIVE`. `nameOf`
 * returns the name of a project, `when` formats an instant.
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

/** The time in an id, in ISO 8601; null for text that is no id. */
export function timeOfId(id: string): string | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(id);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}
