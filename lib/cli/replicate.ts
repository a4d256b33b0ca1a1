import { connect, connectReplica } from '../app/connect.js';
import { protectedDatabase } from '../app/connect/database.js';
import { exitCodeOf, toAppError } from '../errors.js';
import { prune, type PruneResult } from '../retention/prune/prune.js';
import { errorOfReplica, replicate as replicateStore, type ReplicaResult } from '../retention/replica/replicate.js';
import { retentionSettings } from '../app/settings.js';
import type { Context } from './context.js';
import { bytes, count, counted } from './output/format.js';
import { errorDocument, printError } from './output/report-error.js';
import { facts } from './output/table.js';

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
  const result = await replicateStore({ ...ports, replica }, { dryRun, interrupt });
  if (interrupt.aborted) throw toAppError(interrupt.reason);
  // Runs are recorded only in the first store, so a dry run there decides whether to prune now.
  const { held } = await prune(ports, settings, { dryRun: true });
  const pruned = held === null ? await prune({ ...ports, store: replica }, settings, { dryRun, interrupt }) : null;
  context.print(replicationText(result, pruned, held));
  const error = errorOfReplica(result);
  if (error !== null) printError(error, { env, err: (text) => context.note(text) });
  context.document({ ...result, prune: pruned, held, error: error === null ? null : errorDocument(error).error });
  return error === null ? 0 : exitCodeOf(error.code);
}

function replicationText(result: ReplicaResult, pruned: PruneResult | null, held: string | null): string {
  const { bytes: size, conflicts, copied, damaged, dryRun, snapshots, unverified } = result;
  const why = pruned?.held ?? held;
  const removed = pruned?.snapshots.removed ?? 0;
  const rows: [string, string][] = [
    [dryRun ? 'would copy' : 'copied', `${counted(copied, 'snapshot')}, ${bytes(size)}`],
    ['in both', `${count(snapshots)}${dryRun ? ' now' : ''}`],
    ...(unverified.length === 0 ? [] : [['not verified', unverifiedWords(unverified)] as [string, string]]),
    ...(damaged.length === 0 ? [] : [['not copied', damaged.join(', ')] as [string, string]]),
    ...(conflicts.length === 0 ? [] : [['differ', conflicts.join(', ')] as [string, string]]),
    [dryRun ? 'would prune' : 'pruned', why === null ? counted(removed, 'snapshot') : `nothing: ${why}`],
  ];
  return facts(rows);
}

function unverifiedWords(ids: readonly string[]): string {
  const [first = ''] = ids;
  return `${counted(ids.length, 'snapshot')}, copied once it is verified: \`npx soulcaster-backup verify ${first} --env-file .env\``;
}
