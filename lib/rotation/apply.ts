import { AppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import type { JournalWriter } from './journal.js';
import type { Step, DeploymentStep } from './model.js';
import { type PlannedStep, stepOf } from './plan.js';
import type { DeploymentState } from '../ports/hosting.js';

type Needs = Pick<Ports, 'clock' | 'deployments' | 'log' | 'variables'>;

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
  if (old === null && step.was !== 'absent')
    throw new AppError('half-changed', `The old value of ${variable} of ${project} is unknown`, {
      hint: 'Set it on Vercel by hand, then redeploy.',
    });
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

/** A deployment that is not ready after this time counts as failed. */
const LIMIT_MS = 15 * 60_000;
const POLL_MS = 5_000;

/**
 * Rebuilds the deployment of one project and waits until it serves. The journal has the state `begun` before the request is
 * sent. Throws `deployment-failed`, or why the deployment could not be started.
 */
export async function redeploy(
  ports: Needs,
  writer: JournalWriter,
  step: DeploymentStep,
  direction: 'new' | 'old',
  interrupt: AbortSignal,
): Promise<void> {
  const { project } = step;
  // During a rollback the state stays: it is that of the deployment with the new values, which may serve.
  if (direction === 'new') await writer.saveDeployment(step, 'begun');
  const marker = `${writer.journal.id}-${direction}`;
  const { id, state } = await ports.deployments
    .redeploy(project, { ...step.from, state: 'ready', createdAt: null }, marker)
    .catch(async (error: unknown) => {
      // A refused deployment has not begun and needs no rollback.
      const begun = await ports.deployments.findByMarker(project, marker).catch(() => undefined);
      if (direction === 'new' && begun === null) await writer.saveDeployment(step, 'none');
      throw error;
    });
  ports.log.info('deployment-begun', { project, deployment: id, values: direction });
  const outcome = state === 'building' ? await awaitDeployment(ports, writer, id, interrupt) : state;
  if (direction === 'new') await writer.saveDeployment(step, outcome === 'ready' ? 'ready' : 'failed');
  if (outcome !== 'ready')
    throw new AppError('deployment-failed', `Deployment ${id} of ${project} failed`, {
      hint: 'See its build log on Vercel; the deployment never served requests.',
    });
}

/** Cancels a deployment with the new values that is still being built: it must not replace the old values later. */
export async function cancelNewDeployment(
  { deployments }: Needs,
  writer: JournalWriter,
  step: DeploymentStep,
): Promise<void> {
  if (step.state !== 'begun') return;
  const begun = await deployments.findByMarker(step.project, `${writer.journal.id}-new`);
  if (begun === null) return writer.saveDeployment(step, 'none');
  if (begun.state === 'building') await deployments.cancel(begun.id).catch(() => undefined);
  const state = begun.state === 'building' ? await deployments.state(begun.id) : begun.state;
  if (state === 'failed') await writer.saveDeployment(step, 'failed');
}

/** Polls until the deployment is built; a host that does not answer for a while may still be building. */
async function awaitDeployment(
  { clock, deployments }: Needs,
  writer: JournalWriter,
  id: string,
  interrupt: AbortSignal,
): Promise<DeploymentState> {
  const until = clock.now() + LIMIT_MS;
  while (clock.now() < until) {
    const state = await deployments.state(id).catch((error: unknown): DeploymentState => {
      if (error instanceof AppError && error.transient) return 'building';
      throw error;
    });
    if (state !== 'building') return state;
    await writer.keepAlive();
    await clock.sleep(POLL_MS, interrupt);
    interrupt.throwIfAborted();
  }
  throw new AppError('deployment-failed', `Deployment ${id} is not ready after ${LIMIT_MS / 60_000} minutes`, {
    hint: 'See its build log on Vercel.',
  });
}
