import type { App } from '../app/app.js';
import { AppError, type ErrorCode } from '../errors.js';

import type { Started } from '../runs/engine.js';
import type { RunRecord } from '../runs/model.js';
import { canSign } from '../snapshot/tombstone.js';
import { carryOut, errorOfRun } from './carry-out.js';
import type { Context } from './context.js';

type Runner = Pick<App<'clock' | 'signer' | 'store'>, 'engine' | 'ports' | 'queued' | 'work'>;

/** The outcome of a run that changes only its own state. */
interface CarriedOut<A> {
  /** The program that ran it. */
  readonly app: A;
  readonly run: RunRecord;
  /** Why its state and result were kept in memory only; null if they are in the store. */
  readonly unrecorded: string | null;
}

/** Error codes of a store that refuses writes. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['store-denied', 'store-full']);

export function isWriteRefusalError(error: unknown): error is AppError {
  return error instanceof AppError && isWriteRefusal(error);
}

export function isWriteRefusal({ code }: AppError): boolean {
  return REFUSALS.has(code);
}

/**
 * Carries out a run that only reads. If its state cannot be written to the store, prints a warning and runs again in this
 * process with state in memory: `open(true)` opens the program for that.
 */
export async function carryOutReadOnly<A extends Runner>(
  context: Context,
  open: (inMemory: boolean) => A,
  start: (app: A) => Promise<Started>,
  replica = false,
): Promise<CarriedOut<A>> {
  const recorded = await tryRecorded(context, open(false), start, replica);
  if (typeof recorded !== 'string') return recorded;
  context.note(`warning: ${recorded}: this command keeps its state in memory and works without a lock`);
  const app = open(true);
  return { app, run: await carryOut(context, app, await start(app)), unrecorded: recorded };
}

/** The recorded run, or why its state cannot be written. */
async function tryRecorded<A extends Runner>(
  context: Context,
  app: A,
  start: (app: A) => Promise<Started>,
  replica: boolean,
): Promise<CarriedOut<A> | string> {
  if (!canSign(app.ports.signer)) return 'only a public signing key is set, so nothing can be recorded';
  try {
    const run = await carryOut(context, app, await start(app), replica);
    const error = errorOfRun(run);
    return isWriteRefusalError(error) ? refusalReason(error) : { app, run, unrecorded: null };
  } catch (error) {
    if (isWriteRefusalError(error)) return refusalReason(error);
    throw error;
  }
}

function refusalReason({ code, message }: AppError): string {
  return `the store refuses writes (${code}: ${message})`;
}
