import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { redeploy, stopNew } from './deploy.js';
import { backendHealth, demandHealth, proveAgain } from './health.js';
import { beginJournal, resumeJournal, supersede, unfinishedRotation, type Keeper } from './journal.js';
import type { Journal, RotationRequest } from './model.js';
import { demandWayBack, makePlan, type Plan } from './plan.js';
import { endedResult, plannedResult, type RotationResult } from './result.js';
import { canResume, withOldValues } from './resume.js';
import { writeNew, writeOld } from './write.js';

export type RotatePorts = Pick<Ports, 'backend' | 'clock' | 'deployments' | 'log' | 'store' | 'variables'>;

export interface RotateOptions {
  readonly dryRun: boolean;
  readonly interrupt: AbortSignal;
}

/**
 * Gives variables of hosted projects new values: proves these, sets them in every project, rebuilds the deployments,
 * waits until they serve, and proves again. When something fails on the way, everything is put back.
 *
 * A journal in the store says how far it is, with fingerprints in the place of values. After a death in the middle the
 * same call continues where it stopped; another value begins again with what is there. Throws what stands against it before
 * anything is changed (`not-confirmed` when an old value could not be brought back); later failures are in the result.
 */
export async function rotate(
  ports: RotatePorts,
  request: RotationRequest,
  options: RotateOptions,
): Promise<RotationResult> {
  const proof = await request.prove();
  const found = await makePlan(ports, request);
  const unfinished = await unfinishedRotation(ports, request.purpose);
  const resumable = unfinished !== null && canResume(unfinished, found) ? unfinished : null;
  const plan = resumable === null ? found : withOldValues(resumable, found, request);
  if (options.dryRun) return plannedResult(plan, proof, resumable);
  demandWayBack(plan, request);
  options.interrupt.throwIfAborted();
  const keeper = await take(ports, request, plan, unfinished, resumable);
  try {
    return await carryOut(ports, keeper, request, plan, { ...options, proof, resumed: resumable !== null });
  } finally {
    await keeper.release().catch(() => undefined);
  }
}

async function take(
  ports: RotatePorts,
  request: RotationRequest,
  plan: Plan,
  unfinished: Journal | null,
  resumable: Journal | null,
): Promise<Keeper> {
  if (resumable !== null) return resumeJournal(ports, resumable.id);
  const keeper = await beginJournal(ports, request, plan);
  if (unfinished !== null) await supersede(ports, unfinished.id);
  return keeper;
}

interface Circumstances extends RotateOptions {
  readonly proof: string;
  readonly resumed: boolean;
}

async function carryOut(
  ports: RotatePorts,
  keeper: Keeper,
  request: RotationRequest,
  plan: Plan,
  { interrupt, proof, resumed }: Circumstances,
): Promise<RotationResult> {
  const ended = (outcome: RotationResult['outcome'], error: AppError | null, backend: RotationResult['backend']) =>
    endedResult(plan, keeper.journal, { outcome, resumed, proof, backend, error });
  try {
    const backend = await forward(ports, keeper, request, plan, interrupt);
    await keeper.save({ state: 'done' });
    return ended('done', null, backend);
  } catch (error) {
    const cause = toAppError(interrupt.aborted ? interrupt.reason : error);
    if (interrupt.aborted || cause.code === 'fenced') return ended('broken-off', brokenOff(cause), 'not-asked');
    const told = await rollBack(ports, keeper, plan, cause).catch((failure: unknown) => unrecorded(failure, cause));
    return ended(told.code === 'rolled-back' ? 'rolled-back' : 'half-changed', told, 'not-asked');
  }
}

async function forward(
  ports: RotatePorts,
  keeper: Keeper,
  request: RotationRequest,
  plan: Plan,
  interrupt: AbortSignal,
): Promise<RotationResult['backend']> {
  const before = await backendHealth(ports);
  for (const step of plan.steps) {
    interrupt.throwIfAborted();
    await writeNew(ports, keeper, step);
  }
  for (const deployment of keeper.journal.deployments) {
    interrupt.throwIfAborted();
    if (deployment.state !== 'ready') await redeploy(ports, keeper, deployment, 'new', interrupt);
  }
  await proveAgain(ports, request, interrupt);
  return demandHealth(ports, before, interrupt);
}

function brokenOff(cause: AppError): AppError {
  if (cause.code === 'fenced') return cause;
  return new AppError(cause.code, 'The rotation was broken off before its end', {
    hint: 'Run the same command again: it continues where this one stopped. With the old value it goes back.',
    cause,
  });
}

/** The store, or the journal's owner, is gone: nothing more can be relied on. */
function unrecorded(failure: unknown, cause: AppError): AppError {
  return new AppError('half-changed', `${cause.message}. It could not be put back: ${toAppError(failure).message}`, {
    hint: 'See which value each project has (the table tells what is known), and run the same command again.',
    cause: failure,
  });
}

type Needs = Pick<Ports, 'clock' | 'deployments' | 'log' | 'variables'>;

/** A roll back is not broken off half-way by one Ctrl-C. */
const NEVER = new AbortController().signal;

/**
 * Puts everything back, the last first, and rebuilds what may serve with the new values. What cannot be put back does
 * not keep the rest from it. Returns what the caller is to be told: `rolled-back`, or `half-changed` with what is left.
 */
async function rollBack(ports: Needs, keeper: Keeper, plan: Plan, cause: AppError): Promise<AppError> {
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
