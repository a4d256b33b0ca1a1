import { fullApp } from '../app/app.js';
import { guardParts } from '../app/guard-app.js';
import { guard, type GuardReport } from '../monitoring/guard/run.js';
import type { Step } from '../monitoring/state.js';
import { runEnvironment, carryOut, errorOfRun, finishCommand } from './carry-out.js';
import type { Context } from './context.js';
import { counted, count, duration, bytes } from '../formats.js';
import { table, facts } from './output/table.js';
import { toServiceWords } from './restore/report-view.js';
import { functionsCanOpen, retentionSettings } from '../app/settings.js';
import { drillSchema } from '../restore/drill/record.js';
import { startDrill } from '../restore/drill/run.js';
import { connect } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { prune as pruneStore, type PruneResult } from '../retention/prune/prune.js';
import { toAppError } from '../errors.js';
import { storeEnvironment, connectReplica } from '../app/connect/stores.js';
import {
  errorOfReplica,
  replicate as replicateStore,
  replicateInto,
  type ReplicaResult,
} from '../retention/replica/replicate.js';
import { finish } from './output/report-error.js';

/** `guard`: does the cron's work by hand. Exit 0 when all is well, 1 when a step failed or an alert is open. */
export async function guardByHand(context: Context, options: { readonly local?: boolean }): Promise<number> {
  const env = runEnvironment(context.env, options.local === true);
  const app = fullApp(env, { log: context.log });
  const budget = { deadline: Number.POSITIVE_INFINITY, lastAttempt: !app.queued, interrupt: context.interrupt };
  const report = await guard(guardParts(env, app, 'operator'), budget);
  context.print(reportText(report));
  context.document(report);
  return report.outcome === 'ok' ? 0 : 1;
}

function reportText({ steps, alerts, sent, delivered }: GuardReport): string {
  const rows = steps.map((step) => [step.name, step.state === 'done' ? 'done' : 'FAILED', stepSummary(step)]);
  const open = alerts.map(({ code, subject, message, hint }) => `ALERT ${code} (${subject}): ${message}\n  -> ${hint}`);
  const messages = delivered
    ? `${counted(sent.length, 'message')} sent.`
    : 'Some messages could not be sent: see above.';
  return [table(['step', 'state', 'what'], rows), ...open, `${counted(alerts.length, 'alert')} open, ${messages}`].join(
    '\n\n',
  );
}

function stepSummary({ error, summary }: Step): string {
  if (error !== null) return error.message;
  return Object.entries(summary)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => (name === 'state' ? String(value) : `${name} ${String(value)}`))
    .join(', ');
}

/**
 * `drill`: restores the newest verified snapshot into the scratch database and prints the result. Exit 0 when it passed, 3 when
 * it could not be attempted, else the error's exit code. Runs in this process with `local`, and always if the functions have
 * no identity for encrypted snapshots.
 */
export async function drill(context: Context, options: { readonly local?: boolean }): Promise<number> {
  // The functions cannot open encrypted snapshots without an identity.
  const local = options.local === true || !functionsCanOpen(context.env);
  const app = fullApp(runEnvironment(context.env, local), { log: context.log });
  const run = await carryOut(context, app, await startDrill(app.ports, app.engine, 'cli'));
  const drilled = drillSchema.safeParse(run.result).data;
  if (drilled !== undefined) {
    const { keys, milliseconds, outcome, reason, restoredMilliseconds, snapshot } = drilled;
    const toService = restoredMilliseconds ?? milliseconds;
    context.print(
      facts([
        ['drill', outcome],
        ['snapshot', `${snapshot ?? 'none'}, ${count(keys)} keys`],
        ['reason', reason],
        ['restored', milliseconds === null || toService === null ? null : toServiceWords(toService)],
        ['proven', milliseconds === null ? null : `in ${duration(milliseconds)}`],
      ]),
    );
  }
  return finishCommand(context, run, errorOfRun(run));
}

/** How many names a warning lists at most. */
const MAX_NAMED = 5;

interface PruneCommand {
  readonly dryRun?: boolean;
  readonly replica?: boolean;
}

/** `prune`: removes the snapshots that the policy does not keep, and prints the verdict on each with its reasons. */
export async function prune(context: Context, options: PruneCommand): Promise<number> {
  const env = storeEnvironment(context.env, options.replica);
  const settings = retentionSettings(env);
  const own = protectedDatabase(env).source;
  const ports = {
    ...connect(env, ['clock', 'signer', 'store'], { log: context.log }),
    own,
    log: withoutWarnings(context),
  };
  const dryRun = options.dryRun === true;
  const result = await pruneStore(ports, settings, { dryRun, interrupt: context.interrupt });
  context.print(pruneText(result));
  for (const warning of pruneWarnings(result, options.replica === true)) context.note(`warning: ${warning}`);
  context.document(result);
  if (context.interrupt.aborted) throw toAppError(context.interrupt.reason);
  return 0;
}

/** A log without warnings: the command prints them itself. */
function withoutWarnings({ log }: Context): Context['log'] {
  return { ...log, warn: () => undefined };
}

/** The result of a prune as text. */
function pruneText(result: PruneResult): string {
  const { decisions, dryRun, held, snapshots } = result;
  const rows = decisions.map(({ id, keep, reasons }) => [id, keep ? 'keep' : 'remove', reasons.join(', ')]);
  const verdicts = rows.length === 0 ? [] : [table(['snapshot', 'verdict', 'because'], rows)];
  if (held !== null && result.objects === 0) return [...verdicts, `Nothing is removed now: ${held}.`].join('\n\n');
  const obsolete = Object.entries(result.obsolete).filter(([, count]) => count > 0);
  const what = [
    counted(snapshots.removed, 'snapshot'),
    ...obsolete.map(([kind, count]) => `${kind}: ${counted(count, 'object')}`),
  ];
  const verb = dryRun ? 'Would remove' : 'Removed';
  return [
    ...verdicts,
    `${verb} ${what.join(', ')}; ${counted(result.objects, 'object')}, ${bytes(result.bytes)}.`,
    ...(held === null ? [] : [`Nothing else is removed now: ${held}.`]),
  ].join('\n\n');
}

/** Findings that an operator should check. */
function pruneWarnings({ finished, keptByStore, missing, snapshots }: PruneResult, replica: boolean): string[] {
  const few = (names: readonly string[]): string => names.slice(0, MAX_NAMED).join(', ');
  return [
    ...(keptByStore.count === 0
      ? []
      : [`the store refused to remove ${counted(keptByStore.count, 'object')}: ${few(keptByStore.names)}`]),
    ...(snapshots.left === 0 ? [] : [`${counted(snapshots.left, 'snapshot')} left for the next prune`]),
    ...(missing.length === 0
      ? []
      : [
          `the manifest of ${few(missing)} was removed by something else; the parts are kept: run \`npx soulcaster-backup verify${replica ? ' --replica' : ''} --env-file .env\``,
        ]),
    ...(finished ? [] : ['the time limit was reached before the end; run prune again']),
  ];
}

/** `replicate`: copies snapshots to the second store and prunes that store. Exit 1 when a snapshot could not be copied. */
export async function replicate(context: Context, options: { readonly dryRun?: boolean }): Promise<number> {
  const { env, interrupt } = context;
  const settings = retentionSettings(env);
  const log = { ...context.log, warn: () => undefined, error: () => undefined };
  const ports = {
    ...connect(env, ['clock', 'signer', 'store'], { log: context.log }),
    own: protectedDatabase(env).source,
    log,
  };
  const replica = connectReplica(env, context.log);
  const dryRun = options.dryRun === true;
  // Runs are recorded only in the first store, so a dry run there decides whether to prune now.
  const reasonToHold = async (): Promise<string | null> => (await pruneStore(ports, settings, { dryRun: true })).held;
  const pruneSecond = (): Promise<PruneResult> =>
    pruneStore({ ...ports, store: replica }, settings, { dryRun, interrupt });
  const result = await replicateInto(
    () => replicateStore({ ...ports, replica }, { dryRun, interrupt }),
    async () => ((await reasonToHold()) === null ? (await pruneSecond()).objects : 0),
  );
  if (interrupt.aborted) throw toAppError(interrupt.reason);
  const held = await reasonToHold();
  const pruned = held === null ? await pruneSecond() : null;
  context.print(replicationText(result, pruned, held));
  return finish(context, { ...result, prune: pruned, held }, errorOfReplica(result));
}

function replicationText(result: ReplicaResult, pruned: PruneResult | null, held: string | null): string {
  const { bytes: size, conflicts, copied, damaged, dryRun, snapshots, unverified } = result;
  const why = pruned?.held ?? held;
  const removed = pruned?.snapshots.removed ?? 0;
  return facts([
    [dryRun ? 'would copy' : 'copied', `${counted(copied, 'snapshot')}, ${bytes(size)}`],
    ['in both', `${count(snapshots)}${dryRun ? ' now' : ''}`],
    ['not verified', unverified.length === 0 ? null : unverifiedWords(unverified)],
    ['not copied', damaged.length === 0 ? null : damaged.join(', ')],
    ['differ', conflicts.length === 0 ? null : conflicts.join(', ')],
    [dryRun ? 'would prune' : 'pruned', why === null ? counted(removed, 'snapshot') : `nothing: ${why}`],
  ]);
}

function unverifiedWords(ids: readonly string[]): string {
  const [first = ''] = ids;
  return `${counted(ids.length, 'snapshot')}, copied once it is verified: \`npx soulcaster-backup verify ${first} --env-file .env\``;
}
