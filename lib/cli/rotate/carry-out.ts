import { connect } from '../../app/connect.js';
import { AppError, exitCodeOf } from '../../errors.js';
import type { RotationRequest } from '../../rotation/model.js';
import type { RotationResult, RotatedVariable } from '../../rotation/result.js';
import { rotate, type RotatePorts } from '../../rotation/rotate.js';
import type { Context } from '../context.js';
import { errorDocument, printError } from '../output/report-error.js';
import { prompt, canPrompt } from '../prompt.js';
import { facts, table } from '../output/table.js';

export interface RotationOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** False when --no-way-back is given. */
  readonly wayBack: boolean;
}

export type Wanted = Omit<RotationRequest, 'acceptNoWayBack'>;

/** Throws `usage` if the change has to be confirmed and there is no terminal. */
export function assertCanConfirm(options: RotationOptions): void {
  if (options.dryRun === true || options.yes === true || canPrompt()) return;
  throw new AppError('usage', 'The change cannot be confirmed: this is not a terminal', {
    hint: 'See what would be done with --dry-run, then give --yes.',
  });
}

/** Shows the plan, asks for confirmation, carries it out and prints the result. Returns the exit code. */
export async function carryOutRotation(context: Context, wanted: Wanted, options: RotationOptions): Promise<number> {
  const ports = rotationPorts(context);
  const request = { ...wanted, acceptNoWayBack: !options.wayBack };
  const run = (given: RotationRequest, dryRun: boolean): Promise<RotationResult> =>
    rotate(ports, given, { dryRun, interrupt: context.interrupt });
  if (options.dryRun === true) return printResult(context, await run(request, true));
  if (options.yes === true) return printResult(context, await run(request, false));
  const planned = await run(request, true);
  context.note(`${rotationView(planned)}\n`);
  return printResult(
    context,
    await run({ ...request, acceptNoWayBack: await confirmRotation(context, planned) }, false),
  );
}

/** Connects every port. Throws `config` naming everything that is missing. */
export function rotationPorts(context: Context): RotatePorts {
  return connect(context.env, ['backend', 'clock', 'deployments', 'log', 'store', 'variables'], { log: context.log });
}

/** Asks for confirmation. Returns whether a lost value is accepted, which needs more than a yes. Throws `not-confirmed`. */
async function confirmRotation(context: Context, { variables }: RotationResult): Promise<boolean> {
  const isLost = variables.some(({ action, wayBack }) => action !== 'keep' && !wayBack);
  const expected = isLost ? 'no way back' : 'yes';
  const question = isLost
    ? 'A present value is not known and could not be put back. To continue, type no way back: '
    : 'To continue, type yes: ';
  if ((await prompt(question, context.interrupt)) === expected) return isLost;
  throw new AppError('not-confirmed', `Nothing was changed: the answer was not ${expected}`, {
    hint: 'Run the command again when you are sure.',
  });
}

function printResult(context: Context, result: RotationResult): number {
  context.print(rotationView(result));
  const error = result.error ?? (result.backend === 'as-bad-as-before' ? backendDownError() : null);
  context.document({ ...result, error: error === null ? null : errorDocument(error).error });
  if (error === null) return 0;
  printError(error, { env: context.env, err: (line) => context.note(line) });
  return exitCodeOf(error.code);
}

function backendDownError(): AppError {
  return new AppError(
    'incomplete',
    'The new values are set, but the backend is not healthy; it was not healthy before either',
    {
      hint: 'Check the logs of the backend, and GET /health of BACKEND_URL.',
    },
  );
}

const OUTCOMES: Readonly<Record<RotationResult['outcome'], string>> = {
  planned: 'a dry run: nothing was changed',
  done: 'done',
  'rolled-back': 'rolled back: everything is as it was before',
  'half-changed': 'HALF CHANGED: the table shows the value of each variable',
  'broken-off': 'interrupted: the same command resumes it',
};

const VALUES = { old: 'the old value', new: 'the new value', unsure: 'old or new' } as const;
const PLANS = { set: 'gets the new value', create: 'is created', keep: 'already has the new value' } as const;

const DEPLOYMENTS = {
  none: 'unchanged',
  begun: 'building with the new value',
  ready: 'built with the new value',
  failed: 'failed, not in service',
} as const;

/** The result or plan of a rotation as text. */
function rotationView(result: RotationResult): string {
  const { backend, id, outcome, proof, resumed } = result;
  const head = facts([
    ['outcome', OUTCOMES[outcome]],
    ...(id === null ? [] : [['rotation', `${id}${resumed ? ', resumed' : ''}`] as const]),
    ...(id === null && resumed ? [['resumes', 'an interrupted rotation'] as const] : []),
    ['new value', proof],
    ...(backend === 'not-asked'
      ? []
      : [['backend', backend === 'healthy' ? 'healthy' : 'not healthy, as before'] as const]),
  ]);
  const rows = result.variables.map((one) => [
    one.project,
    one.variable,
    valueText(result, one),
    deploymentText(result, one),
  ]);
  return `${head}\n\n${table(['project', 'variable', 'value', 'deployment'], rows)}`;
}

function valueText({ outcome }: RotationResult, { action, has, wayBack }: RotatedVariable): string {
  const back = wayBack ? '' : ' (NO WAY BACK)';
  return (outcome === 'planned' ? PLANS[action] : VALUES[has]) + back;
}

function deploymentText({ deployments, outcome }: RotationResult, { project }: RotatedVariable): string {
  const deployment = deployments.find((one) => one.project === project);
  if (deployment === undefined) return '';
  if (outcome === 'planned') return `${deployment.from} is rebuilt`;
  if (outcome === 'done') return 'rebuilt, ready';
  const served = deployment.state === 'ready' || deployment.state === 'begun';
  if (outcome === 'rolled-back') return served ? 'rebuilt with the old value' : 'unchanged';
  return DEPLOYMENTS[deployment.state];
}
