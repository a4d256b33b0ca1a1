import { AppError } from '../../errors.js';
import type { Context } from '../context.js';
import { prompt, canPrompt } from '../restore/prompt.js';

/** Continues when somebody types yes, or gave --yes. Throws `usage` where nobody can be asked, and `not-confirmed`. */
export async function demandYes(context: Context, yes: boolean | undefined, what: string): Promise<void> {
  if (yes === true) return;
  if (!canPrompt()) {
    throw new AppError('usage', 'Nobody is here to confirm it: this is no terminal', { hint: `${what} Give --yes.` });
  }
  context.note(what);
  if ((await prompt('To go on, type yes: ', context.interrupt)) === 'yes') return;
  throw new AppError('not-confirmed', 'Nothing was changed: the answer was not yes', {
    hint: 'Start the command again when you are sure.',
  });
}
