import { fullApp, type FullApp } from '../../app/app.js';
import { AppError } from '../../errors.js';
import { assertTyped, planRestore, type ProviderRestorePlan, performRestore } from '../../provider-backups/restore.js';
import { startSnapshot } from '../../snapshot/run.js';
import { carryOut, errorOfRun, runEnvironment } from '../carry-out.js';
import type { Context } from '../context.js';
import { count, duration } from '../../formats.js';
import { printable } from '../../snapshot/ledger.js';
import { facts } from '../output/table.js';
import { prompt, canPrompt } from '../prompt.js';
import { openAccount, ageOf, backupDocument, sizeOf, timeOf } from './backups.js';

interface ProviderRestoreOptions {
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly confirm?: string;
  readonly safety: boolean;
}

/** `upstash backups restore`: deletes everything in the database and restores a backup of Upstash. */
export async function restoreBackup(
  context: Context,
  backup: string,
  options: ProviderRestoreOptions,
): Promise<number> {
  const { account, clock, database } = openAccount(context.env);
  // In this process, because this command may be needed when nothing else works.
  const app = fullApp(runEnvironment(context.env, true), { log: context.log });
  const { marksElsewhere, redis, store } = app.ports;
  const ports = { account, clock, redis, store, ...(marksElsewhere === undefined ? {} : { marksElsewhere }) };
  const plan = await planRestore(ports, { database, from: options.from ?? null, backup });
  if (options.dryRun === true) {
    context.document({ dryRun: true, ...planDocument(plan) });
    context.print(planView(plan, options.safety, clock.now()));
    return 0;
  }
  await confirmDatabase(context, plan, options, clock.now());
  const safety = options.safety ? () => takeSafety(context, app) : null;
  const { undo, keys, milliseconds } = await performRestore(ports, plan, { safety, interrupt: context.interrupt });
  context.document({ dryRun: false, ...planDocument(plan), undo, keysNow: keys, milliseconds });
  const now = keys === null ? '' : `, ${count(keys)} keys now`;
  context.print(`Upstash has restored backup ${plan.backup.id} in ${duration(milliseconds)}${now}.`);
  if (plan.ours && keys === null) {
    context.print(
      'The database does not answer, so its contents are not known: its snapshots are doubtful until one is accepted (`npx soulcaster-backup snapshots accept ID --reason TEXT --env-file .env`).',
    );
  }
  context.print(undoText(undo));
  context.print('To compare with our latest snapshot: npx soulcaster-backup diff latest live --keys --env-file .env');
  context.print('To re-index the vectors: npx soulcaster-backup reindex --all --env-file .env');
  return 0;
}

async function confirmDatabase(
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
  const question = 'This deletes everything in the database first. To continue, type the name of the database: ';
  assertTyped(plan, await prompt(question, context.interrupt));
}

/** Takes the snapshot to undo the restore with. Throws if the present state cannot be saved completely. */
async function takeSafety(context: Context, app: FullApp): Promise<string> {
  context.note('First a snapshot of the present state.');
  const run = await carryOut(context, app, await startSnapshot(app.engine, 'safety'));
  const error = errorOfRun(run);
  if (error === null && run.state === 'succeeded') return run.id;
  throw new AppError(
    error?.code ?? 'incomplete',
    `The present state could not be saved first: ${error?.message ?? 'some keys are missing'}`,
    {
      hint: `${error?.hint ?? ''} Nothing was changed. Fix the problem, or give --no-safety: the restore then cannot be undone.`.trim(),
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
    ? 'not known: it is not the database of UPSTASH_REDIS_REST_URL'
    : keys === null
      ? 'not known: it does not answer'
      : `${count(keys)} keys`;
  return facts([
    ['database', `${printable(database.name)} (${database.id}), ${database.host}`],
    ['in it now', `${there}; all of it is deleted`],
    ['backup', `${printable(backup.name)} (${backup.id})${from === database.id ? '' : ` of database ${from}`}`],
    ['made', `${timeOf(backup)}, ${ageOf(backup, now)} ago: what was written since is lost`],
    ['size', sizeOf(backup)],
    ['saved first', safetyText(plan, safety)],
  ]);
}

function safetyText({ keys, ours }: ProviderRestorePlan, safety: boolean): string {
  if (!safety) return 'no (--no-safety): the restore cannot be undone';
  if (!ours) return 'not possible: the restore would be refused without --no-safety';
  if (keys === null) return 'not possible: the database does not answer';
  return keys === 0 ? 'not needed: the database is empty' : 'yes, as a snapshot';
}

function undoText(undo: string): string {
  switch (undo) {
    case 'empty':
      return 'The database was empty before.';
    case 'skipped':
      return 'The previous state was not saved.';
    case 'unreachable':
      return 'The previous state could not be saved, because the database did not answer.';
    default:
      return `To undo: npx soulcaster-backup restore ${undo} --env-file .env`;
  }
}
