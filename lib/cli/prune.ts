import { connect } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { prune as pruneStore, type PruneResult } from '../retention/prune/prune.js';
import { toAppError } from '../errors.js';
import { retentionSettings } from '../app/settings.js';
import type { Context } from './context.js';
import { bytes, counted } from './output/format.js';
import { table } from './output/table.js';
import { storeEnvironment } from './store-choice.js';

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
  for (const warning of pruneWarnings(result)) context.note(`warning: ${warning}`);
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
function pruneWarnings({ finished, keptByStore, missing, snapshots }: PruneResult): string[] {
  const few = (names: readonly string[]): string => names.slice(0, MAX_NAMED).join(', ');
  return [
    ...(keptByStore.count === 0
      ? []
      : [`the store refused to remove ${counted(keptByStore.count, 'object')}: ${few(keptByStore.names)}`]),
    ...(snapshots.left === 0 ? [] : [`${counted(snapshots.left, 'snapshot')} left for the next prune`]),
    ...(missing.length === 0
      ? []
      : [`the manifest of ${few(missing)} was removed by something else; the parts are kept: run \`verify\``]),
    ...(finished ? [] : ['the time limit was reached before the end; run prune again']),
  ];
}
