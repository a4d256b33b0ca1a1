import { fullApp, type FullApp } from '../../app/app.js';
import { AppError } from '../../errors.js';
import { assertTyped, planRestore, type ProviderRestorePlan } from '../../provider-backups/plan.js';
import { performRestore } from '../../provider-backups/restore.js';
import { startSnapshot } from '../../snapshot/run.js';
import { carryOut, errorOfRun, runEnvironment } from '../carry-out.js';
import type { Context } from '../context.js';
import { count, duration, printable } from '../output/format.js';
import { facts } from '../output/table.js';
import { prompt, canPrompt } from '../prompt.js';
import { openAccount, ageOf, backupDocument, sizeOf, timeOf } from './views.js';

export interface ProviderRestoreOptions {
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly confirm?: string;
  readonly safety: boolean;
}

/** `upstash backups restore`: everything in the database goes, and what a backup of Upstash holds takes its place. */
export async function restoreBackup(
  context: Context,
  backup: string,
  options: ProviderRestoreOptions,
): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  // In this process: it may be run just because nothing else works.
  const app = fullApp(runEnvironment(context.env, true), { log: context.log });
  const ports = { account, clock, redis: app.ports.redis, store: app.ports.store };
  const plan = await planRestore(ports, { database, from: options.from ?? null, backup });
  if (options.dryRun === true) {
    context.document({ dryRun: true, ...planDocument(plan) });
    context.print(planView(plan, options.safety, clock.now()));
    return 0;
  }
  await demandConfirmation(context, plan, options, clock.now());
  const safety = options.safety ? () => takeSafety(context, app) : null;
  const { undo, keys, milliseconds } = await performRestore(ports, plan, { safety, interrupt: context.interrupt });
  context.document({ dryRun: false, ...planDocument(plan), undo, keysNow: keys, milliseconds });
  const now = keys === null ? '' : `, ${count(keys)} keys now`;
  context.print(`Upstash has restored backup ${plan.backup.id} in ${duration(milliseconds)}${now}.`);
  if (plan.ours && keys === null) {
    context.print(
      'The database does not answer, so that nobody has seen what it holds: its snapshots are doubtful until one is accepted (`npx soulcaster-backup snapshots accept ID --reason TEXT --env-file .env`).',
    );
  }
  context.print(undoView(undo));
  context.print(
    'See what differs from our newest snapshot: npx soulcaster-backup diff latest live --keys --env-file .env',
  );
  context.print('Re-index the vectors: npx soulcaster-backup reindex --all --env-file .env');
  return 0;
}

async function demandConfirmation(
  context: Context,
  plan: ProviderRestorePlan,
  options: ProviderRestoreOptions,
  now: number,
): Promise<void> {
  if (options.confirm !== undefined || !canPrompt()) {
    assertTyped(plan, options.confirm ?? null);
    return;
  }
  context.note(`${planView(plan, options.safety, now)}\n`);
  const question = 'This deletes everything in the database first. To go on, type its name: ';
  assertTyped(plan, await prompt(question, context.interrupt));
}

/** A snapshot that the restore can be undone with. What cannot be saved whole is not given up. */
async function takeSafety(context: Context, app: FullApp): Promise<string> {
  context.note('First a snapshot of what is there now.');
  const run = await carryOut(context, app, await startSnapshot(app.engine, 'safety'));
  const error = errorOfRun(run);
  if (error === null && run.state === 'succeeded') return run.id;
  throw new AppError(
    error?.code ?? 'incomplete',
    `What is there now could not be saved first: ${error?.message ?? 'not all of it'}`,
    {
      hint: `${error?.hint ?? ''} Nothing was changed. Mend that, or give --no-safety: then there is no way back.`.trim(),
    },
  );
}

function planDocument({ database, backup, from, ageMs, ours, keys, reachable }: ProviderRestorePlan): object {
  return {
    database,
    from,
    backup: backupDocument(backup),
    ageSeconds: Math.round(ageMs / 1000),
    ours,
    keys,
    reachable,
  };
}

function planView(plan: ProviderRestorePlan, safety: boolean, now: number): string {
  const { database, backup, from, ours, keys } = plan;
  const there = !ours
    ? 'not looked at: it is not the database of UPSTASH_REDIS_REST_URL'
    : keys === null
      ? 'it does not answer'
      : `${count(keys)} keys`;
  return facts([
    ['database', `${printable(database.name)} (${database.id}), ${database.host}`],
    ['in it now', `${there}; all of it is deleted`],
    ['backup', `${printable(backup.name)} (${backup.id})${from === database.id ? '' : ` of database ${from}`}`],
    ['made', `${timeOf(backup)}, ${ageOf(backup, now)} ago: what was written since is lost`],
    ['size', sizeOf(backup)],
    ['saved first', savedFirst(plan, safety)],
  ]);
}

function savedFirst({ keys, ours }: ProviderRestorePlan, safety: boolean): string {
  if (!safety) return 'no (--no-safety): there is no way back';
  if (!ours) return 'it cannot be, and --no-safety is not given: this would be refused';
  if (keys === null) return 'it cannot be, since the database does not answer';
  return keys === 0 ? 'nothing is there' : 'yes, with a snapshot of ours';
}

function undoView(undo: string): string {
  switch (undo) {
    case 'empty':
      return 'Nothing was there before.';
    case 'skipped':
      return 'What was there before was not saved.';
    case 'unreachable':
      return 'What was there before could not be saved, since the database did not answer.';
    default:
      return `What was there before: npx soulcaster-backup restore ${undo} --env-file .env`;
  }
}
