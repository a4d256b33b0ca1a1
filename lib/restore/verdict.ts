import { isId } from '../runs/ids.js';
import type { RunFailure } from '../runs/model.js';
import { RULES, type Rule } from '../soulcaster/invariants/rules.js';
import type { RestoreContext } from './context.js';
import type { InspectedProject } from './inspect-task.js';
import type { Gone } from './prove-task.js';
import type { RestoreInput } from './model.js';
import { isProven, type Proof } from './proof.js';
import { restoreCommand } from './scope-words.js';
import { shownName } from './write/errors.js';

/** Why a restore that reached its end failed; null when it succeeded. */
export function failureOf(
  { input, state }: RestoreContext,
  { gone, proof, replica }: { readonly proof: Proof; readonly gone: Gone | null; readonly replica: boolean },
  projects: readonly InspectedProject[],
): RunFailure | null {
  const undoHint = undoHintOf(state.undo, input, replica);
  if (!isProven(proof)) {
    const { missing, different } = proof.total;
    const message = `The proof failed: ${missing} keys are missing and ${different} differ from their records`;
    const hint = `Was the application writing? Stop it and start the restore again.${undoHint}`;
    return { code: 'not-proven', message, hint };
  }
  if (gone !== null) {
    const message = `The database lost keys after they were proven: it holds ${gone.there}, and at least ${gone.proven} of them cannot have expired`;
    const hint = `Was it emptied, did it fail over to another server, or was the application deleting? Find out, then start the restore again.${undoHint}`;
    return { code: 'not-proven', message, hint };
  }
  const blocked = blockedFailure(input, state);
  const broken = newlyBroken(projects, input);
  // Blocked keys explain faults that are not known to be new, and are reported instead of them.
  const isNew = projects.some(({ violations }) => violations.some(({ fresh }) => fresh > 0));
  if (broken !== null && (isNew || blocked === null)) {
    const hint = `Was the application writing? The report names the ids: fix or re-import them.${undoHint}`;
    return { code: 'incomplete', message: broken, hint };
  }
  const differing = projects.filter(({ backend }) => backend === 'differs').length;
  if (differing > 0) {
    const message = `Redis matches the snapshot, but the backend counts otherwise in ${differing} projects`;
    return {
      code: 'not-proven',
      message,
      hint: 'Restart the backend: it may be answering from memory. Then compare its /stats.',
    };
  }
  if (blocked !== null) return blocked;
  const unanswered = projects.filter(({ backend }) => backend === 'no-answer').length;
  if (unanswered === 0) return null;
  const message = `Redis matches the snapshot, but the backend did not answer for ${unanswered} projects`;
  return {
    code: 'incomplete',
    message,
    hint: 'Check that the backend at BACKEND_URL runs. Nothing has to be restored again.',
  };
}

/** Invariants that the data break now, and broke neither in the snapshot nor before the restore; null when there are none. */
function newlyBroken(projects: readonly InspectedProject[], { safety }: RestoreInput): string | null {
  const sums = new Map<Rule, number>();
  let unknown = 0;
  for (const violation of projects.flatMap(({ violations }) => violations)) {
    const count = violation.fresh + violation.unknown;
    unknown += violation.unknown;
    if (count > 0) sums.set(violation.rule, (sums.get(violation.rule) ?? 0) + count);
  }
  if (sums.size === 0) return null;
  const what = [...sums].map(([rule, count]) => `${RULES[rule]} (${count})`).join('; ');
  const where =
    unknown > 0
      ? `not found in the snapshot; the earlier data ${safety ? 'could not all be saved' : 'were not saved (--no-safety)'}`
      : 'found neither in the snapshot nor in the database before the restore';
  return `Every key is proven, but the application's data have faults (${where}): ${what}`;
}

/** Keys that were left because no snapshot can hold their current values; null when there are none. */
export function blockedFailure(
  { dryRun }: Pick<RestoreInput, 'dryRun'>,
  { plan }: Pick<RestoreContext['state'], 'plan'>,
): RunFailure | null {
  const count = plan?.total.blocked ?? 0;
  if (plan === null || count === 0) return null;
  const names = plan.examples.filter(({ action }) => action === 'blocked').map(({ key }) => shownName(key));
  const shown = `${names.slice(0, 3).join(', ')}${count > 3 ? ', ...' : ''}`;
  const keys = count === 1 ? '1 key' : `${count} keys`;
  const left = dryRun ? 'would be left as they are' : 'were left as they are';
  return {
    code: 'incomplete',
    message: `${keys} could not be saved first and ${left}: no snapshot can hold what they are now (${shown})`,
    hint: 'Rename or remove these keys and restore again, or use --no-safety: then they are overwritten, and the restore cannot be undone.',
  };
}

/** An error that leaves the data proven ends the run as incomplete, not as failed. */
export function stateOf(error: RunFailure): 'incomplete' | 'failed' {
  return error.code === 'incomplete' ? 'incomplete' : 'failed';
}

/** The hint with the command that undoes the restore, for the same scope and target. */
function undoHintOf(undo: string | null, input: RestoreInput, replica: boolean): string {
  if (undo === null || !isId(undo)) return '';
  return ` \`${restoreCommand(undo, input, replica)}\` undoes it.`;
}
