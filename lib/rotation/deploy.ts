import { AppError } from '../errors.js';
import type { DeploymentState } from '../ports/hosting.js';
import type { Ports } from '../ports/index.js';
import type { JournalWriter } from './journal.js';
import type { DeploymentStep } from './model.js';

type Needs = Pick<Ports, 'clock' | 'deployments' | 'log'>;

/** A deployment that is not ready after this time counts as failed. */
const LIMIT_MS = 15 * 60_000;
const POLL_MS = 5_000;

type Direction = 'new' | 'old';

/**
 * Rebuilds the deployment of one project and waits until it serves. The journal has the state `begun` before the request is
 * sent. Throws `deployment-failed`, or why the deployment could not be started.
 */
export async function redeploy(
  ports: Needs,
  writer: JournalWriter,
  { project }: DeploymentStep,
  direction: Direction,
  interrupt: AbortSignal,
): Promise<void> {
  const step = currentStep(writer, project);
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
  if (outcome !== 'ready') throw deploymentFailedError(project, id);
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

function currentStep({ journal }: JournalWriter, project: string): DeploymentStep {
  const step = journal.deployments.find((step) => step.project === project);
  if (step === undefined) throw new TypeError('a project without a deployment');
  return step;
}

function deploymentFailedError(project: string, id: string): AppError {
  return new AppError('deployment-failed', `Deployment ${id} of ${project} failed`, {
    hint: 'See its build log on Vercel; the deployment never served requests.',
  });
}
