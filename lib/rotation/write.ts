import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { JournalWriter } from './journal.js';
import type { Step } from './model.js';
import type { PlannedStep } from './plan.js';
import { stepOf } from './resume.js';

type Needs = Pick<Ports, 'log' | 'variables'>;

/** Sets the new value of a variable, and reads it back if the host reveals it. */
export async function writeNew(ports: Needs, writer: JournalWriter, planned: PlannedStep): Promise<void> {
  const step = journalStep(writer, planned);
  const { project, variable, found, value } = planned;
  if (planned.isNew) return writer.saveStep(step, 'new');
  await writer.saveStep(step, 'unsure');
  if (found === null) await ports.variables.create(project, variable, value);
  else await ports.variables.write(project, found.id, value);
  await proveWritten(ports, planned, value);
  await writer.saveStep(step, 'new');
  ports.log.info('variable-set', { project, variable });
}

/** Restores the old value. Throws if the value is unknown or the host refuses. */
export async function writeOld(ports: Needs, writer: JournalWriter, planned: PlannedStep): Promise<void> {
  const step = journalStep(writer, planned);
  const { project, variable, old } = planned;
  if (step.state === 'old') return;
  if (old === null && step.was !== 'absent') throw unknownValueError(project, variable);
  await writer.saveStep(step, 'unsure');
  // The variable may have been created meanwhile.
  const present = (await ports.variables.list(project)).find(({ name }) => name === variable) ?? null;
  if (old === null) {
    if (present !== null) await ports.variables.remove(project, present.id);
  } else {
    if (present === null) await ports.variables.create(project, variable, old);
    else await ports.variables.write(project, present.id, old);
    await proveWritten(ports, planned, old);
  }
  await writer.saveStep(step, 'old');
  ports.log.info('variable-put-back', { project, variable });
}

async function proveWritten(ports: Needs, { project, variable }: PlannedStep, value: string): Promise<void> {
  const found = (await ports.variables.list(project)).find(({ name }) => name === variable);
  const written = found?.readable === true ? await ports.variables.read(project, found.id) : null;
  if (found !== undefined && (written === null || written === value)) return;
  throw new AppError('hosting-refused', `${variable} of ${project} does not have the value that was just written`, {
    hint: 'Another person or an integration sets it, too: change it there.',
  });
}

function journalStep({ journal }: JournalWriter, planned: PlannedStep): Step {
  const step = stepOf(journal, planned);
  if (step === undefined) throw new TypeError('a step that the journal lacks');
  return step;
}

function unknownValueError(project: string, variable: string): AppError {
  return new AppError('half-changed', `The old value of ${variable} of ${project} is unknown`, {
    hint: 'Set it on Vercel by hand, then redeploy.',
  });
}
