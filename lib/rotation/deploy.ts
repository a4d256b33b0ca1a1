import { AppError } from '../errors.js';
import type { DeploymentState } from '../ports/hosting.js';
import type { Ports } from '../ports/index.js';
import type { Keeper } from './journal.js';
import type { DeploymentStep } from './model.js';

type Needs = Pick<Ports, 'clock' | 'deployments' | 'log'>;

/** A deployment that is not ready after so long counts as failed, in milliseconds. */
const LIMIT_MS = 15 * 60_000;
const POLL_MS = 5_000;

type Direction = 'new' | 'old';

/**
 * Rebuilds the deployment of one project and waits until it serves. `begun` stands in the journal before it is asked
 * for. Throws `deployment-failed`, or why it could not be begun.
 */
export async function redeploy(
  ports: Needs,
  keeper: Keeper,
  { project }: DeploymentStep,
  direction: Direction,
  interrupt: AbortSignal,
): Promise<void> {
  const step = stepNow(keeper, project);
  // When it is put back, `begun` says of the deployment with the new values that it may serve.
  if (direction === 'new') await keeper.deployment(step, 'begun');
  const marker = `${keeper.journal.id}-${direction}`;
  const { id, state } = await ports.deployments
    .redeploy(project, { ...step.from, state: 'ready', createdAt: null }, marker)
    .catch(async (error: unknown) => {
      // What was refused has not begun, and so has nothing to be put back.
      const begun = await ports.deployments.begun(project, marker).catch(() => undefined);
      if (direction === 'new' && begun === null) await keeper.deployment(step, 'none');
      throw error;
    });
  ports.log.info('deployment-begun', { project, deployment: id, values: direction });
  const end = state === 'building' ? await outcomeOf(ports, keeper, id, interrupt) : state;
  if (direction === 'new') await keeper.deployment(step, end === 'ready' ? 'ready' : 'failed');
  if (end !== 'ready') throw failed(project, id);
}

/** Stops a deployment with the new values that is still being built, so that it does not come to serve after the old. */
export async function stopNew({ deployments }: Needs, keeper: Keeper, step: DeploymentStep): Promise<void> {
  if (step.state !== 'begun') return;
  const begun = await deployments.begun(step.project, `${keeper.journal.id}-new`);
  if (begun === null) return keeper.deployment(step, 'none');
  if (begun.state === 'building') await deployments.cancel(begun.id).catch(() => undefined);
  const state = begun.state === 'building' ? await deployments.state(begun.id) : begun.state;
  if (state === 'failed') await keeper.deployment(step, 'failed');
}

/** A host that does not answer for a while is asked on: it is building all the same. */
async function outcomeOf(
  { clock, deployments }: Needs,
  keeper: Keeper,
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
    await keeper.stillHere();
    await clock.sleep(POLL_MS, interrupt);
    interrupt.throwIfAborted();
  }
  throw new AppError('deployment-failed', `Deployment ${id} is not ready after ${LIMIT_MS / 60_000} minutes`, {
    hint: 'Look at its build log on Vercel.',
  });
}

function stepNow({ journal }: Keeper, project: string): DeploymentStep {
  const step = journal.deployments.find((one) => one.project === project);
  if (step === undefined) throw new TypeError('a project without a deployment');
  return step;
}

function failed(project: string, id: string): AppError {
  return new AppError('deployment-failed', `Deployment ${id} of ${project} has failed`, {
    hint: 'Look at its build log on Vercel; it never served anybody.',
  });
}
