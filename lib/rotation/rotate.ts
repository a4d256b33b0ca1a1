import { AppError, toAppError } from '../errors.js';
import type { Ports } from '../ports/index.js';
import { redeploy, cancelNewDeployment, writeNew, writeOld } from './apply.js';
import { backendHealth, assertBackendHealthy, proveAgain } from './health.js';
import { beginJournal, resumeJournal, supersede, unfinishedRotation, type JournalWriter } from './journal.js';
import type { Journal, RotationRequest, DeploymentStep } from './model.js';
import { assertWayBack, canResume, hasWayBack, makePlan, stepOf, withOldValues, type Plan } from './plan.js';

export type RotatePorts = Pick<Ports, 'backend' | 'clock' | 'deployments' | 'log' | 'store' | 'variables'>;

export interface RotateOptions {
  readonly dryRun: boolean;
  readonly interrupt: AbortSignal;
}

/**
 * Sets new values of variables of hosted projects: proves the values, sets them in every project, rebuilds the deployments,
 * waits until they serve, and proves the values again. After a failure everything is rolled back.
 *
 * A journal in the store records the progress, with fingerprints instead of values. After a crash the same call continues where
 * it stopped; a call with another value starts over from the current values. Throws before any change (`not-confirmed` if an
 * old value could not be restored); later failures are in the result.
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
  assertWayBack(plan, request);
  options.interrupt.throwIfAborted();
  const writer = await openJournal(ports, request, plan, unfinished, resumable);
  try {
    return await carryOut(ports, writer, request, plan, { ...options, proof, resumed: resumable !== null });
  } finally {
    await writer.release().catch(() => undefined);
  }
}

async function openJournal(
  ports: RotatePorts,
  request: RotationRequest,
  plan: Plan,
  unfinished: Journal | null,
  resumable: Journal | null,
): Promise<JournalWriter> {
  if (resumable !== null) return resumeJournal(ports, resumable.id);
  const writer = await beginJournal(ports, request, plan);
  if (unfinished !== null) await supersede(ports, unfinished.id);
  return writer;
}

interface CarryOutOptions extends RotateOptions {
  readonly proof: string;
  readonly resumed: boolean;
}

async function carryOut(
  ports: RotatePorts,
  writer: JournalWriter,
  request: RotationRequest,
  plan: Plan,
  { interrupt, proof, resumed }: CarryOutOptions,
): Promise<RotationResult> {
  const toResult = (outcome: RotationResult['outcome'], error: AppError | null, backend: RotationResult['backend']) =>
    endedResult(plan, writer.journal, { outcome, resumed, proof, backend, error });
  try {
    const backend = await applyChanges(ports, writer, request, plan, interrupt);
    await writer.save({ state: 'done' });
    return toResult('done', null, backend);
  } catch (error) {
    const cause = toAppError(interrupt.aborted ? interrupt.reason : error);
    if (interrupt.aborted || cause.code === 'fenced') return toResult('broken-off', brokenOffError(cause), 'not-asked');
    const failure = await rollBack(ports, writer, plan, cause).catch((thrown: unknown) =>
      unrecordedError(thrown, cause),
    );
    return toResult(failure.code === 'rolled-back' ? 'rolled-back' : 'half-changed', failure, 'not-asked');
  }
}

async function applyChanges(
  ports: RotatePorts,
  writer: JournalWriter,
  request: RotationRequest,
  plan: Plan,
  interrupt: AbortSignal,
): Promise<RotationResult['backend']> {
  const before = await backendHealth(ports);
  for (const step of plan.steps) {
    interrupt.throwIfAborted();
    await writeNew(ports, writer, step);
  }
  for (const deployment of writer.journal.deployments) {
    interrupt.throwIfAborted();
    if (deployment.state !== 'ready') await redeploy(ports, writer, deployment, 'new', interrupt);
  }
  await proveAgain(ports, request, interrupt);
  return assertBackendHealthy(ports, before, interrupt);
}

function brokenOffError(cause: AppError): AppError {
  if (cause.code === 'fenced') return cause;
  return new AppError(cause.code, 'The rotation was interrupted', {
    hint: 'Run the same command again: it continues where this one stopped. Run it with the old value to go back.',
    cause,
  });
}

/** The rollback itself failed, or another process owns the journal: the outcome cannot be recorded. */
function unrecordedError(failure: unknown, cause: AppError): AppError {
  return new AppError('half-changed', `${cause.message}. The rollback failed: ${toAppError(failure).message}`, {
    hint: 'Check which value each project has (the table shows what is known), then run the same command again.',
    cause: failure,
  });
}

type Needs = Pick<Ports, 'clock' | 'deployments' | 'log' | 'variables'>;

/** Ctrl-C does not interrupt a rollback. */
const NO_INTERRUPT = new AbortController().signal;

/**
 * Restores the old values, the last first, and rebuilds deployments that may serve the new values. A failed step does not
 * stop the others. Returns the error for the caller: `rolled-back`, or `half-changed` with the steps that failed.
 */
async function rollBack(ports: Needs, writer: JournalWriter, plan: Plan, cause: AppError): Promise<AppError> {
  ports.log.warn('rotation-rolls-back', { rotation: writer.journal.id, code: cause.code });
  writer.continueWithoutStore();
  await writer.save({ state: 'rolling-back', error: { code: cause.code, message: cause.message } });
  const failures: AppError[] = [];
  const attempt = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => {
      const known = toAppError(error);
      if (known.code === 'fenced') throw known;
      failures.push(known);
    });
  for (const step of [...plan.steps].reverse()) await attempt(writeOld(ports, writer, step));
  for (const deployment of writer.journal.deployments) {
    // A deployment that cannot be cancelled is assumed to serve.
    await cancelNewDeployment(ports, writer, deployment).catch(() => undefined);
  }
  for (const deployment of writer.journal.deployments) {
    const isOld = writer.journal.steps.every(({ project, state }) => project !== deployment.project || state === 'old');
    const mayServe = deployment.state === 'begun' || deployment.state === 'ready';
    if (isOld && mayServe) await attempt(redeploy(ports, writer, deployment, 'old', NO_INTERRUPT));
  }
  const error = failures.length === 0 ? rolledBackError(cause) : halfChangedError(cause, writer, failures);
  const state = failures.length === 0 ? 'rolled-back' : 'half-changed';
  await writer.save({ state, error: { code: error.code, message: error.message } });
  return error;
}

function rolledBackError(cause: AppError): AppError {
  return new AppError('rolled-back', `Everything is as it was before: ${cause.message}`, { hint: cause.hint, cause });
}

function halfChangedError(cause: AppError, { journal }: JournalWriter, failures: readonly AppError[]): AppError {
  const words = { old: 'the old value', new: 'the new value', unsure: 'the old or the new value' } as const;
  const states = journal.steps.map(({ project, variable, state }) => `${variable} of ${project} has ${words[state]}`);
  const why = failures.map(({ message }) => message).join('; ');
  return new AppError('half-changed', `${cause.message}. The rollback is incomplete (${why}): ${states.join(', ')}`, {
    hint: 'Fix the cause, then run the same command again, or run it with the old value to go back. Or set the variables on Vercel by hand and redeploy.',
    cause,
  });
}

export interface RotatedVariable {
  readonly project: string;
  readonly variable: string;
  /** The planned or completed action; `keep` if it already has the new value. */
  readonly action: 'set' | 'create' | 'keep';
  /** Its current value. */
  readonly has: 'old' | 'new' | 'unsure';
  /** Whether a rollback is possible. */
  readonly wayBack: boolean;
}

/** Holds no value of any variable. */
export interface RotationResult {
  /** Null for a dry run. */
  readonly id: string | null;
  /**
   * `planned`: a dry run; `rolled-back`: everything is as before; `half-changed`: part of it could not be rolled back;
   * `broken-off`: interrupted, and resumed by the same call.
   */
  readonly outcome: 'planned' | 'done' | 'rolled-back' | 'half-changed' | 'broken-off';
  /** Whether an unfinished rotation was, or would be, resumed. */
  readonly resumed: boolean;
  /** Description of the new values by `prove`. */
  readonly proof: string;
  readonly variables: readonly RotatedVariable[];
  readonly deployments: readonly {
    readonly project: string;
    readonly from: string;
    readonly state: DeploymentStep['state'];
  }[];
  /** State of the backend at the end; `not-asked` without BACKEND_URL, in a dry run, and after an earlier failure. */
  readonly backend: 'healthy' | 'as-bad-as-before' | 'not-asked';
  readonly counts: { readonly variables: number; readonly changed: number; readonly redeployed: number };
  readonly error: AppError | null;
}

/** Result of a dry run. `journal`: the unfinished rotation that would be resumed. */
function plannedResult(plan: Plan, proof: string, journal: Journal | null): RotationResult {
  const variables = plan.steps.map((step) => ({
    ...describeStep(step),
    has: step.isNew ? ('new' as const) : ('old' as const),
  }));
  return {
    id: null,
    outcome: 'planned',
    resumed: journal !== null,
    proof,
    variables,
    deployments: plan.deployments.map(({ project, from }) => ({ project, from: from.id, state: 'none' })),
    backend: 'not-asked',
    counts: countVariables(variables, 0),
    error: null,
  };
}

type Ended = Pick<RotationResult, 'outcome' | 'resumed' | 'proof' | 'backend' | 'error'>;

function endedResult(plan: Plan, journal: Journal, ended: Ended): RotationResult {
  const variables = plan.steps.map((step) => ({
    ...describeStep(step),
    has: stepOf(journal, step)?.state ?? ('unsure' as const),
  }));
  const deployments = journal.deployments.map(({ project, from, state }) => ({ project, from: from.id, state }));
  const redeployed = deployments.filter(({ state }) => state === 'ready').length;
  return { id: journal.id, ...ended, variables, deployments, counts: countVariables(variables, redeployed) };
}

function describeStep(step: Plan['steps'][number]): Omit<RotatedVariable, 'has'> {
  const { found, isNew, project, variable } = step;
  const action = found === null ? 'create' : isNew ? 'keep' : 'set';
  return { project, variable, action, wayBack: hasWayBack(step) };
}

function countVariables(variables: readonly RotatedVariable[], redeployed: number): RotationResult['counts'] {
  const changed = variables.filter(({ action, has }) => action !== 'keep' && has === 'new').length;
  return { variables: variables.length, changed, redeployed };
}
