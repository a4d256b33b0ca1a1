import { fieldsOf } from './traits.js';

/** The lists that narrow a scope; an empty or missing one does not narrow it. */
const KINDS = ['projects', 'items', 'families', 'matches', 'keys'] as const;

/**
 * Whether a run with the first scope did at least the work of one with the second, for scopes as records hold them: `all`,
 * `project`, or lists. Scopes that cannot be read here, because they are encrypted, count as equal.
 */
export function coversScope(first: unknown, second: unknown): boolean {
  const [held, wanted] = [listsOf(first), listsOf(second)];
  return KINDS.every((kind) => {
    const entries = new Set(held[kind]);
    return entries.size === 0 || (wanted[kind].length > 0 && wanted[kind].every((entry) => entries.has(entry)));
  });
}

function listsOf(scope: unknown): Readonly<Record<(typeof KINDS)[number], readonly string[]>> {
  const fields = fieldsOf(scope);
  const textsIn = (list: unknown): string[] => (Array.isArray(list) ? list.map((entry) => JSON.stringify(entry)) : []);
  const items = Array.isArray(fields['items']) ? fields['items'].map(fieldsOf) : [];
  return {
    projects: textsIn([
      ...('project' in fields ? [fields['project']] : []),
      ...(Array.isArray(fields['projects']) ? fields['projects'] : []),
      ...items.map(({ project }) => project),
    ]),
    items: items.map(({ id, project }) => JSON.stringify([project, id])),
    families: textsIn(fields['families']),
    matches: textsIn(fields['matches']),
    keys: textsIn(fields['keys']),
  };
}
