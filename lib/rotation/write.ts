import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { Keeper } from './journal.js';
import type { Step } from './model.js';
import type { PlannedStep } from './plan.js';
import { stepOf } from './resume.js';

type Needs = Pick<Ports, 'log' | 'variables'>;

/** Gives a variable its new value, and reads it back where the host gives it out. */
export async function writeNew(ports: Needs, keeper: Keeper, planned: PlannedStep): Promise<void> {
  const step = journaled(keeper, planned);
  const { project, variable, found, value } = planned;
  if (planned.isNew) return keeper.step(step, 'new');
  await keeper.step(step, 'unsure');
  if (found === null) await ports.variables.create(project, variable, value);
  else await ports.variables.write(project, found.id, value);
  await proveWritten(ports, planned, value);
  await keeper.step(step, 'new');
  ports.log.info('variable-set', { project, variable });
}

/** Brings back what was there. Throws when nobody knows it, or the host refuses. */
export async function writeOld(ports: Needs, keeper: Keeper, planned: PlannedStep): Promise<void> {
  const step = journaled(keeper, planned);
  const { project, variable, old } = planned;
  if (step.state === 'old') return;
  if (old === null && step.was !== 'absent') throw unknown(project, variable);
  await keeper.step(step, 'unsure');
  // It may have been made in the meantime.
  const now = (await ports.variables.list(project)).find(({ name }) => name === variable) ?? null;
  if (old === null) {
    if (now !== null) await ports.variables.remove(project, now.id);
  } else {
    if (now === null) await ports.variables.create(project, variable, old);
    else await ports.variables.write(project, now.id, old);
    await proveWritten(ports, planned, old);
  }
  await keeper.step(step, 'old');
  ports.log.info('variable-put-back', { project, variable });
}

async function proveWritten(ports: Needs, { project, variable }: PlannedStep, value: string): Promise<void> {
  const found = (await ports.variables.list(project)).find(({ name }) => name === variable);
  const seen = found?.readable === true ? await ports.variables.read(project, found.id) : null;
  if (found !== undefined && (seen === null || seen === value)) return;
  throw new AppError('hosting-refused', `${variable} of ${project} does not have the value that was just written`, {
    hint: 'Somebody else changes it, or an integration keeps it: change it there.',
  });
}

function journaled({ journal }: Keeper, planned: PlannedStep): Step {
  const step = stepOf(journal, planned);
  if (step === undefined) throw new TypeError('a step that the journal lacks');
  return step;
}

function unknown(project: string, variable: string): AppError {
  return new AppError('half-changed', `Nobody knows the old value of ${variable} of ${project}`, {
    hint: 'Set it on Vercel by hand, and redeploy.',
  });
}
