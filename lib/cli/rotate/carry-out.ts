import { connect } from '../../app/connect.js';
import { AppError, exitCodeOf } from '../../errors.js';
import type { RotationRequest } from '../../rotation/model.js';
import type { RotationResult, RotatedVariable } from '../../rotation/result.js';
import { rotate, type RotatePorts } from '../../rotation/rotate.js';
import type { Context } from '../context.js';
import { errorDocument, explain } from '../output/report-error.js';
import { prompt, canPrompt } from '../prompt.js';
import { facts, table } from '../output/table.js';

export interface RotationOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  /** False when --no-way-back is given. */
  readonly wayBack: boolean;
}

export type Wanted = Omit<RotationRequest, 'acceptNoWayBack'>;

/** Throws `usage` at once when it would have to be asked, and nobody is there. */
export function demandConsent(options: RotationOptions): void {
  if (options.dryRun === true || options.yes === true || canPrompt()) return;
  throw new AppError('usage', 'Nobody is here to confirm the change: this is no terminal', {
    hint: 'Look at what it would do with --dry-run, then give --yes.',
  });
}

/** Shows what would be done, asks, does it and tells what came of it. Returns the exit code. */
export async function carryOutRotation(context: Context, wanted: Wanted, options: RotationOptions): Promise<number> {
  const ports = rotationPorts(context);
  const request = { ...wanted, acceptNoWayBack: !options.wayBack };
  const run = (given: RotationRequest, dryRun: boolean): Promise<RotationResult> =>
    rotate(ports, given, { dryRun, interrupt: context.interrupt });
  if (options.dryRun === true) return printResult(context, await run(request, true));
  if (options.yes === true) return printResult(context, await run(request, false));
  const planned = await run(request, true);
  context.note(`${rotationView(planned)}\n`);
  return printResult(context, await run({ ...request, acceptNoWayBack: await agreed(context, planned) }, false));
}

/** Connects everything before anything is asked for. Throws `config` with all that is missing. */
export function rotationPorts(context: Context): RotatePorts {
  return connect(context.env, ['backend', 'clock', 'deployments', 'log', 'store', 'variables'], { log: context.log });
}

/** Whether it may be done without a way back, which takes other words than a plain yes. Throws `not-confirmed`. */
async function agreed(context: Context, { variables }: RotationResult): Promise<boolean> {
  const isLost = variables.some(({ action, wayBack }) => action !== 'keep' && !wayBack);
  const expected = isLost ? 'no way back' : 'yes';
  const question = isLost
    ? 'A present value is not known, so that it could not be brought back. To go on, type no way back: '
    : 'To go on, type yes: ';
  if ((await prompt(question, context.interrupt)) === expected) return isLost;
  throw new AppError('not-confirmed', `Nothing was changed: the answer was not ${expected}`, {
    hint: 'Start the command again when you are sure.',
  });
}

function printResult(context: Context, result: RotationResult): number {
  context.print(rotationView(result));
  const error = result.error ?? (result.backend === 'as-bad-as-before' ? stillDown() : null);
  context.document({ ...result, error: error === null ? null : errorDocument(error).error });
  if (error === null) return 0;
  explain(error, { env: context.env, err: (line) => context.note(line) });
  return exitCodeOf(error.code);
}

function stillDown(): AppError {
  return new AppError('incomplete', 'The new values are in place, but the backend is not well, as it was not before', {
    hint: 'Look at the logs of the backend, and at GET /health of BACKEND_URL.',
  });
}

const OUTCOMES: Readonly<Record<RotationResult['outcome'], string>> = {
  planned: 'a dry run: nothing was changed',
  done: 'done',
  'rolled-back': 'rolled back: everything is as it was before',
  'half-changed': 'HALF CHANGED: see which value each variable has',
  'broken-off': 'broken off: the same command resumes it',
};

const VALUES = { old: 'the old value', new: 'the new value', unsure: 'old or new' } as const;
const PLANS = { set: 'gets the new value', create: 'is made', keep: 'has it already' } as const;

const DEPLOYMENTS = {
  none: 'as before',
  begun: 'begun with the new value',
  ready: 'built with the new value',
  failed: 'failed, serves nobody',
} as const;

/** What a rotation did, or would do. */
function rotationView(result: RotationResult): string {
  const { backend, id, outcome, proof, resumed } = result;
  const head = facts([
    ['outcome', OUTCOMES[outcome]],
    ...(id === null ? [] : [['rotation', `${id}${resumed ? ', gone on with' : ''}`] as const]),
    ...(id === null && resumed ? [['resumes', 'a rotation that was broken off'] as const] : []),
    ['new value', proof],
    ...(backend === 'not-asked' ? [] : [['backend', backend === 'healthy' ? 'well' : 'not well, as before'] as const]),
  ]);
  const rows = result.variables.map((one) => [one.project, one.variable, words(result, one), deployed(result, one)]);
  return `${head}\n\n${table(['project', 'variable', 'value', 'deployment'], rows)}`;
}

function words({ outcome }: RotationResult, { action, has, wayBack }: RotatedVariable): string {
  const back = wayBack ? '' : ' (NO WAY BACK)';
  return (outcome === 'planned' ? PLANS[action] : VALUES[has]) + back;
}

function deployed({ deployments, outcome }: RotationResult, { project }: RotatedVariable): string {
  const deployment = deployments.find((one) => one.project === project);
  if (deployment === undefined) return '';
  if (outcome === 'planned') return `${deployment.from} is rebuilt`;
  if (outcome === 'done') return 'rebuilt, ready';
  const served = deployment.state === 'ready' || deployment.state === 'begun';
  if (outcome === 'rolled-back') return served ? 'rebuilt with the old value' : 'as before';
  return DEPLOYMENTS[deployment.state];
}
