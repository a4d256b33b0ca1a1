import { fingerprint, type Journal, type RotationRequest, type Step } from './model.js';
import type { Plan, PlannedStep } from './plan.js';

/** The state of a journal's step by the variable's current value; null if someone else has changed the variable. */
function currentState(journal: Journal, step: Step, { found, present }: PlannedStep): Step['state'] | null {
  if (found === null) return step.was === 'absent' ? 'old' : null;
  if (present === null) return step.state;
  const current = fingerprint(journal.id, present);
  if (current === step.becomes) return 'new';
  return current === step.was ? 'old' : null;
}

export function stepOf(journal: Journal, { project, variable }: PlannedStep): Step | undefined {
  return journal.steps.find((step) => step.project === project && step.variable === variable);
}

/**
 * Whether an unfinished rotation can be resumed: it sets the same values of the same variables, was not being rolled back, and
 * nothing else has changed the variables since. Otherwise a new rotation starts from the current values.
 */
export function canResume(journal: Journal, plan: Plan): boolean {
  if (journal.state !== 'changing' || journal.steps.length !== plan.steps.length) return false;
  return plan.steps.every((planned) => {
    const step = stepOf(journal, planned);
    if (step?.becomes !== fingerprint(journal.id, planned.value)) return false;
    const state = currentState(journal, step, planned);
    // A deployment that has begun was built with the values of that time.
    const isBegun = journal.deployments.some(({ project, state: at }) => project === planned.project && at !== 'none');
    return state !== null && !(isBegun && state !== 'new');
  });
}

/**
 * The plan with the old values of a resumed rotation. The current value may be the new one already; the old one may come
 * from the caller or from another project that still has it, and is recognized by its fingerprint.
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
      const isNew = step !== undefined && currentState(journal, step, planned) === 'new';
      const old = known.find((value) => fingerprint(journal.id, value) === was) ?? null;
      return { ...planned, old, isNew, wasAbsent: was === 'absent' };
    }),
  };
}
