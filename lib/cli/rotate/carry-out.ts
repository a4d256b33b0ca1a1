import { connect } from '../../app/connect.js';
import { AppError, exitCodeOf } from '../../errors.js';
import type { RotationRequest } from '../../rotation/model.js';
import type { RotationResult } from '../../rotation/result.js';
import { rotate, type RotatePorts } from '../../rotation/rotate.js';
import type { Context } from '../context.js';
import { errorDocument, explain } from '../output/report-error.js';
import { prompt, canPrompt } from '../restore/prompt.js';
import { rotationView } from './view.js';

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
