import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { redeploy, stopNew } from './deploy.js';
import type { Keeper } from './journal.js';
import type { Plan } from './plan.js';
import { writeOld } from './write.js';

type Needs = Pick<Ports, 'clock' | 'deployments' | 'log' | 'variables'>;

/** A roll back is not broken off half-way by one Ctrl-C. */
const NEVER = new AbortController().signal;

/**
 * Puts everything back, the last first, and rebuilds what may serve with the new values. What cannot be put back does
 * not keep the rest from it. Returns what the caller is to be told: `rolled-back`, or `half-changed` with what is left.
 */
export async function rollBack(ports: Needs, keeper: Keeper, plan: Plan, cause: AppError): Promise<AppError> {
  ports.log.warn('rotation-rolls-back', { rotation: keeper.journal.id, code: cause.code });
  keeper.goOnWithoutStore();
  await keeper.save({ state: 'rolling-back', error: { code: cause.code, message: cause.message } });
  const failures: AppError[] = [];
  const attempt = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => {
      const known = toAppError(error);
      if (known.code === 'fenced') throw known;
      failures.push(known);
    });
  for (const step of [...plan.steps].reverse()) await attempt(writeOld(ports, keeper, step));
  for (const deployment of keeper.journal.deployments) {
    // What cannot be stopped is taken to serve.
    await stopNew(ports, keeper, deployment).catch(() => undefined);
  }
  for (const deployment of keeper.journal.deployments) {
    const isOld = keeper.journal.steps.every(({ project, state }) => project !== deployment.project || state === 'old');
    const mayServe = deployment.state === 'begun' || deployment.state === 'ready';
    if (isOld && mayServe) await attempt(redeploy(ports, keeper, deployment, 'old', NEVER));
  }
  const error = failures.length === 0 ? rolledBack(cause) : halfChanged(cause, keeper, failures);
  const state = failures.length === 0 ? 'rolled-back' : 'half-changed';
  await keeper.save({ state, error: { code: error.code, message: error.message } });
  return error;
}

function rolledBack(cause: AppError): AppError {
  return new AppError('rolled-back', `Everything is as it was before: ${cause.message}`, { hint: cause.hint, cause });
}

function halfChanged(cause: AppError, { journal }: Keeper, failures: readonly AppError[]): AppError {
  const words = { old: 'the old value', new: 'the new value', unsure: 'the old or the new value' } as const;
  const states = journal.steps.map(({ project, variable, state }) => `${variable} of ${project} has ${words[state]}`);
  const why = failures.map(({ message }) => message).join('; ');
  return new AppError(
    'half-changed',
    `${cause.message}. Not everything could be put back (${why}): ${states.join(', ')}`,
    {
      hint: 'Run the same command again when the cause is mended, or with the old value to go back; or set the variables on Vercel by hand and redeploy.',
      cause,
    },
  );
}
