import type { ReindexScope } from './model.js';

const PLAIN_WORD = /^[\w.:@-]+$/;

/** The command that makes the vectors of a scope anew; `ID` stands for an id that a shell would not take as it is. */
export function reindexCommand(scope: ReindexScope): string {
  if ('all' in scope) return 'soulcaster-backup reindex --all';
  return `soulcaster-backup reindex --project ${PLAIN_WORD.test(scope.project) ? scope.project : 'ID'}`;
}
