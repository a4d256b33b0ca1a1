import type { RunFailure } from '../runs/model.js';
import type { RestoreCheckpoint } from './checkpoint.js';
import { lackHint, lackWords, SCRATCH_HINT } from './lacks.js';
import type { RestoreInput } from './model.js';
import type { Plan } from './plan-counts.js';
import { shownName } from './shown-name.js';

const NAMED = 5;

/** Why a restore by this plan must not begin: the target could not take all of it. Null when it could. */
export function objectionTo(input: RestoreInput, state: RestoreCheckpoint): RunFailure | null {
  return lacking(input, state) ?? listsInTheWay(input, state) ?? noRoom(input, state);
}

function lacking({ trigger }: RestoreInput, { plan }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || plan.lacks.length === 0) return null;
  const named = plan.lacks.map((lack) => lackWords(lack, shownName)).join('; ');
  const message = `The target does not know ${named}. Nothing was written.`;
  return { code: 'not-restorable', message, hint: lackHint(plan.lacks, trigger === 'drill') };
}

/** Mode `missing` leaves a list that is of another type now: items that come back would be in none. */
function listsInTheWay({ mode }: RestoreInput, { plan }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || mode !== 'missing' || plan.lists.wrongType === 0) return null;
  const { wrong, wrongType } = plan.lists;
  const names = wrong.slice(0, NAMED).map(shownName).join(', ');
  const more = wrongType > NAMED ? ` and ${wrongType - NAMED} more` : '';
  return {
    code: 'not-restorable',
    message: `What stands where lists of the snapshot were is of another type, and mode missing leaves it, so that what is restored would be in no list: ${names}${more}. Nothing was written.`,
    hint: 'Rename or delete these keys, or restore with --mode merge, which saves and overwrites them.',
  };
}

/** Whether it does anything but remove, and set expiries. */
function needsRoom({ bytes, lists, total, usersJoined }: Plan): boolean {
  return bytes.all + lists.added + total.fail + usersJoined > 0;
}

/**
 * A target that is full, or would be: then the first keys would be written and the rest refused, or others thrown out.
 * What would be written takes more in memory than the bytes that are counted, never less.
 */
function noRoom({ target, trigger }: RestoreInput, { plan, abilities }: RestoreCheckpoint): RunFailure | null {
  if (plan === null || abilities === null || !needsRoom(plan)) return null;
  const { full, memory } = abilities;
  const free = memory === null ? null : memory.limit - memory.used;
  if (!full && (free === null || plan.bytes.absent <= free)) return null;
  const where = target === null ? 'The database' : `Target ${target}`;
  const told = memory === null ? '' : ` It uses ${memory.used} of ${memory.limit} bytes.`;
  const evicts = memory?.evicts === true ? ' It would evict other keys, and restored ones.' : '';
  const needed =
    plan.bytes.all === 0
      ? 'this restore adds members to lists'
      : `this restore writes at least ${plan.bytes.all} bytes, ${plan.bytes.absent} of them of keys that are absent`;
  return {
    code: 'not-restorable',
    message: `${where} has no room: ${needed}.${told}${evicts} Nothing was written.`,
    hint:
      trigger === 'drill'
        ? SCRATCH_HINT
        : "Raise the plan's data size (maxmemory on your own server), free some of it, or restore to another target with --target.",
  };
}
