import type { RestoreInput } from '../../restore/model.js';
import { printable } from '../output/format.js';

export { restoreCommand } from '../../restore/undo-command.js';

type Where = Pick<RestoreInput, 'scope' | 'target'>;

/** `everything` or `project p`. */
export function scopeWords({ scope }: Pick<Where, 'scope'>): string {
  return 'all' in scope ? 'everything' : `project ${printable(scope.project)}`;
}

/** `the database` or `target t`. */
export function targetWords({ target }: Pick<Where, 'target'>): string {
  return target === null ? 'the database' : `target ${printable(target)}`;
}
