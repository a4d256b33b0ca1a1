import type { App } from '../app/app.js';
import { AppError, type ErrorCode } from '../errors.js';
import type { Signer } from '../ports/signer.js';
import type { Started } from '../runs/engine.js';
import type { RunRecord } from '../runs/model.js';
import { canSign } from '../snapshot/tombstone.js';
import { carryOut, errorOfRun } from './carry-out.js';
import type { Context } from './context.js';

type Runner = Pick<App<'clock' | 'signer' | 'store'>, 'engine' | 'ports' | 'queued' | 'work'>;

/** A run that changes nothing but its own state, carried out. */
interface Carried<A> {
  /** The program that carried it out. */
  readonly app: A;
  readonly run: RunRecord;
  /** Why its state, and its result, stayed in the memory of this process; null when they are in the store. */
  readonly unrecorded: string | null;
}

/** What a store answers that takes no writes. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['store-denied', 'store-full']);

export function refusesWrites(error: unknown): error is AppError {
  return error instanceof AppError && isRefusal(error);
}

export function isRefusal({ code }: AppError): boolean {
  return REFUSALS.has(code);
}

/** Whether control state that is written here will count: not where only a public key is set. */
export function mayWrite(signer: Signer): boolean {
  return canSign(signer);
}

/**
 * Carries out a run that only reads. Where its state cannot be written, it is kept in the memory of this process and the
 * run is worked on here: `open(true)` gives the program for that. A line on the standard error says so.
 */
export async function carryOutReading<A extends Runner>(
  context: Context,
  open: (inMemory: boolean) => A,
  start: (app: A) => Promise<Started>,
  replica = false,
): Promise<Carried<A>> {
  const refused = await refusal(context, open(false), start, replica);
  if (typeof refused !== 'string') return refused;
  context.note(`warning: ${refused}: this command keeps its state in memory and works without a lock`);
  const app = open(true);
  return { app, run: await carryOut(context, app, await start(app)), unrecorded: refused };
}

/** The run, or why it has to do without writing. */
async function refusal<A extends Runner>(
  context: Context,
  app: A,
  start: (app: A) => Promise<Started>,
  replica: boolean,
): Promise<Carried<A> | string> {
  if (!mayWrite(app.ports.signer)) return 'only a public signing key is set, so nothing can be recorded';
  try {
    const run = await carryOut(context, app, await start(app), replica);
    const error = errorOfRun(run);
    return refusesWrites(error) ? words(error) : { app, run, unrecorded: null };
  } catch (error) {
    if (refusesWrites(error)) return words(error);
    throw error;
  }
}

function words({ code, message }: AppError): string {
  return `the store takes no writes (${code}: ${message})`;
}
