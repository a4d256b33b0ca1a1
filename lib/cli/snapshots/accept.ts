import { userInfo } from 'node:os';
import { marksBeside } from '../../app/app.js';
import { deploymentOf } from '../../app/connect/database.js';
import { acceptSnapshot, adoptDatabase } from '../../snapshot/accept.js';
import { shortSource } from '../../snapshot/source.js';
import type { Environment } from '../../app/config.js';
import { AppError } from '../../errors.js';
import { cancelIfOpen } from '../../runs/cancel.js';
import { endingApp } from '../cancel.js';
import type { Context } from '../context.js';
import { counted, printable } from '../output/format.js';
import { storeEnvironment } from '../store-choice.js';
import { connectedTrust } from '../trust.js';
import { adoptUnsigned } from './adopt-unsigned.js';

export interface AcceptOptions {
  readonly reason: string;
  readonly replica?: boolean;
}

/** `snapshots accept`: a doubtful snapshot counts as trusted from now on. */
export async function accept(context: Context, id: string, options: AcceptOptions): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const trust = await connectedTrust(context, env);
  const marksElsewhere = marksBeside(context.env, context.log, options.replica);
  const words = { by: userName(), reason: options.reason, marksElsewhere };
  const { acceptance, ended } = await acceptSnapshot(trust, id, words);
  context.document({ ...acceptance, ended, deployment: deploymentOf(env) });
  context.print(`Snapshot ${id} is accepted: ${printable(acceptance.reason)}. It counts as trusted from now on.`);
  for (const run of ended) context.print(`Restore ${run} is no longer taken for unfinished.`);
  // What was accepted must not be written over by a restore that the guard resumes.
  for (const run of ended) await endRestore(context, env, run);
  return 0;
}

async function endRestore(context: Context, env: Environment, run: string): Promise<void> {
  const { engine, ports } = endingApp(context, env);
  if (await cancelIfOpen(engine, ports.store, run)) context.print(`Run ${run} is ended and is not resumed.`);
}

export interface AdoptOptions {
  readonly reason?: string;
  readonly unsigned?: boolean;
  readonly withdraw?: boolean;
  readonly replica?: boolean;
}

/** `snapshots adopt`: a database that moved to a new host; or, with --unsigned, snapshots from before a key was set. */
export async function adopt(context: Context, source: string | undefined, options: AdoptOptions): Promise<number> {
  if ((source === undefined) !== (options.unsigned === true)) {
    throw new AppError('usage', 'Either a source or --unsigned has to be given', {
      hint: 'Name the source as `snapshots list` shows it, if the database moved to a new host; --unsigned is for snapshots from before a signing key was set.',
    });
  }
  const env = storeEnvironment(context.env, options.replica);
  if (source === undefined) return adoptUnsigned(context, env);
  const trust = await connectedTrust(context, env);
  const withdraw = options.withdraw === true;
  const adopted = await adoptDatabase(trust, source, {
    reason: options.reason ?? (withdraw ? 'withdrawn' : ''),
    withdraw,
  });
  context.document({ ...adopted, withdrawn: withdraw, deployment: deploymentOf(env) });
  const name = `${shortSource(adopted.source)}${adopted.label === null ? '' : ` (${printable(adopted.label)})`}`;
  const its = counted(adopted.snapshots, 'snapshot');
  const done = withdraw
    ? `Source ${name} is another database again: its ${its} are not \`latest\` here.`
    : `Source ${name} is the same database as the one here: its ${its} count as its own.`;
  context.print(adopted.changed ? done : `Nothing to do: source ${name} ${withdraw ? 'was not' : 'is'} adopted.`);
  return 0;
}

/** Who says so, as far as the machine knows. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}
