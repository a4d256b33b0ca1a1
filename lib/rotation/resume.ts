import { fingerprint, type Journal, type RotationRequest, type Step } from './model.js';
import type { Plan, PlannedStep } from './plan.js';

/** What is known of a step that a journal tells of, against what is there now; null: somebody else has changed it. */
function stateNow(journal: Journal, step: Step, { found, present }: PlannedStep): Step['state'] | null {
  if (found === null) return step.was === 'absent' ? 'old' : null;
  if (present === null) return step.state;
  const print = fingerprint(journal.id, present);
  if (print === step.becomes) return 'new';
  return print === step.was ? 'old' : null;
}

export function stepOf(journal: Journal, { project, variable }: PlannedStep): Step | undefined {
  return journal.steps.find((step) => step.project === project && step.variable === variable);
}

/**
 * Whether an unfinished rotation can be gone on with: it was to set the same values in the same places, was not being
 * rolled back, and no variable has changed since but by its own doing. Else a new one begins with what is there now.
 */
export function canResume(journal: Journal, plan: Plan): boolean {
  if (journal.state !== 'changing' || journal.steps.length !== plan.steps.length) return false;
  return plan.steps.every((planned) => {
    const step = stepOf(journal, planned);
    if (step?.becomes !== fingerprint(journal.id, planned.value)) return false;
    const state = stateNow(journal, step, planned);
    // A deployment that was begun has been built with what was there then.
    const begun = journal.deployments.some(({ project, state: at }) => project === planned.project && at !== 'none');
    return state !== null && !(begun && state !== 'new');
  });
}

/**
 * The plan with the old values of a rotation that is gone on with. What is there by now may be the new value; the old one
 * may be known from elsewhere: from the caller, or from another project that still has it. Its fingerprint tells.
 */
export function withOldValues(journal: Journal, plan: Plan, request: RotationRequest): Plan {
  const known = [
    ...request.oldValues.map(({ value }) => value),
    ...request.candidates,
    ...plan.steps.flatMap(({ present }) => present ?? []),
  ];
  return {
    ...plan,
    steps: plan.steps.map((planned) => {
      const step = stepOf(journal, planned);
      const was = step?.was;
      const isNew = step !== undefined && stateNow(journal, step, planned) === 'new';
      const old = known.find((value) => fingerprint(journal.id, value) === was) ?? null;
      return { ...planned, old, isNew, wasAbsent: was === 'absent' };
    }),
  };
}
