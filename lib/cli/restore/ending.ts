import { hostOf } from '../../app/connect/database.js';
import { AppError } from '../../errors.js';
import type { RunRecord } from '../../runs/model.js';
import { dryRunResult, restoredResult } from '../../restore/result.js';
import { fieldsOf } from '../../runs/traits.js';
import type { Environment } from '../../app/config.js';
import type { Json } from '../../json.js';
import type { Encryptor } from '../../ports/crypto.js';
import { type LedgerKey, loadManifest } from '../../snapshot/manifest.js';
import { openNames, printable } from '../../snapshot/ledger.js';
import type { RestoreRequest } from '../../restore/start.js';
import { errorOfRun, isWriteRefusal } from '../carry-out.js';
import { interruptedText, EMPTY, hasWritten, SKIPPED } from '../../restore/unfinished.js';
import { restoreCommand, sameRestore } from '../../restore/scope-words.js';
import type { ObjectStore, Ports, Signer } from '../../ports/index.js';
import { parseRestoreCheckpoint } from '../../restore/checkpoint.js';
import { RESTORE } from '../../restore/kinds.js';
import { restoreInputSchema } from '../../restore/model.js';
import { isId } from '../../runs/ids.js';
import { readTombstone } from '../../snapshot/tombstone.js';

/** Adds the target's host to a result, and opens the names of keys that the encryptor's identity can open. */
export async function openResult(env: Environment, encryptor: Encryptor, result: Json): Promise<Json> {
  const parsed = dryRunResult(result);
  if (parsed === null) return result;
  const { names, plan, target } = parsed;
  const proof = restoredResult(result)?.proof;
  return {
    ...fieldsOf(result),
    names: { ...names, database: { ...names.database, host: hostOf(env, target) } },
    plan: { ...plan, examples: await openExampleNames(encryptor, plan.examples) },
    ...(proof === undefined
      ? {}
      : { proof: { ...proof, examples: await openExampleNames(encryptor, proof.examples) } }),
  };
}

async function openExampleNames<T extends { readonly key: LedgerKey }>(
  encryptor: Encryptor,
  examples: readonly T[],
): Promise<T[]> {
  const names = await openNames(
    encryptor,
    examples.map(({ key }) => ({ key, reason: '' })),
  );
  return examples.map((example, at) => ({ ...example, key: names[at]?.key ?? example.key }));
}

const NOTHING_WRITTEN = 'Nothing was written';

/** The error that a run ended with, with a hint for this machine; null if it succeeded. */
export function restoreErrorOf(run: RunRecord, queued: boolean): AppError | null {
  const error = errorOfRun(run);
  // Functions that only back up have no identity.
  if (error?.code !== 'wrong-key' || !queued) return error;
  return withHint(error, `${error.hint} Or give --local to use the identity set here.`);
}

/** The error of an interrupted restore, with hints to finish or undo it; `undo` is null if nothing was written yet. */
export function interruptedRestoreError(
  error: AppError,
  request: RestoreRequest,
  undo: Undo | null,
  run: Pick<RunRecord, 'phase' | 'progress'>,
  replica = false,
): AppError {
  if (undo === null) {
    if (isWriteRefusal(error)) return notStartedError(error, request, replica);
    return error.message.includes(NOTHING_WRITTEN) ? error : withHint(error, `${error.hint} ${NOTHING_WRITTEN}.`);
  }
  const remains = interruptedText(run, `\`${sameRestore(request, replica)}\``, undo.words);
  return withHint(error, `${error.hint} ${remains}`);
}

/** The error of a restore that a read-only or full store stopped before anything was written, with hints. */
export function notStartedError(error: AppError, request: RestoreRequest, replica = false): AppError {
  const message = error.message.includes(NOTHING_WRITTEN)
    ? error.message
    : `The store refuses writes, so the restore was not started: ${error.message}. ${NOTHING_WRITTEN}.`;
  const without = `${sameRestore({ ...request, safety: false }, replica)} --no-lock`;
  const room = 'To free space: `npx soulcaster-backup prune --env-file .env`, which works on a full store.';
  const hints = [
    ...(error.code === 'store-full' ? [room] : [error.hint]),
    `To restore without writing to the store, without a lock and without undo: \`${without}\`.`,
  ];
  return new AppError(error.code, message, { hint: hints.join(' '), cause: error });
}

function withHint({ code, message, cause }: AppError, hint: string): AppError {
  return new AppError(code, message, { hint, cause });
}

/** How to undo a restore. */
export interface Undo {
  /** The id of the snapshot of the previous state; `empty`: the target was empty; `skipped`: the state was not saved. */
  readonly from: string;
  /** The command, or what to do without one. */
  readonly words: string;
  /** How many commands it took to save the previous state; 0 if it was empty. */
  readonly commands: number;
  /** If the snapshot of the previous state is gone: when it was removed and why; null where that is not recorded. */
  readonly removed?: { readonly at: string; readonly reasons: readonly string[] } | null;
}

/**
 * Null if the restore ended before it changed anything. `replica`: `store` is the second store. `signer`: to read the tombstone of
 * a snapshot that is gone.
 */
export async function undoOf(
  store: ObjectStore,
  run: RunRecord,
  replica = false,
  signer: Signer | null = null,
): Promise<Undo | null> {
  const input = restoreInputSchema.parse(run.input);
  if (input.dryRun || !hasWritten(run)) return null;
  // An interrupted run has no result; its safety snapshot has the id of the run.
  const { undo } = fieldsOf(run.result);
  const recorded = typeof undo === 'string' ? undo : checkpointUndo(run);
  const id = recorded ?? run.id;
  const manifest = isId(id) ? ((await loadManifest(store, id))?.manifest ?? null) : null;
  if (manifest !== null) {
    return { from: id, words: restoreCommand(id, input, replica), commands: manifest.spent.commands };
  }
  if (recorded !== null && isId(recorded)) {
    const tombstone = signer === null ? null : await readTombstone({ store, signer }, recorded);
    const removed = tombstone === null ? null : { at: tombstone.prunedAt, reasons: tombstone.reasons };
    return { from: recorded, words: removedText(recorded, removed), commands: 0, removed };
  }
  const from = recorded ?? (input.safety ? 'empty' : 'skipped');
  return { from, words: from === 'empty' ? EMPTY : SKIPPED, commands: 0 };
}

/** What an interrupted run saved; null if its checkpoint does not say, as one that is encrypted for another deployment. */
function checkpointUndo(run: RunRecord): string | null {
  return run.hidden === true || run.checkpoint === null ? null : parseRestoreCheckpoint(run.checkpoint).undo;
}

/**
 * For a restore that was interrupted while writing: its error names commands that finish and undo it, and the snapshots that
 * these need may have been removed since. A sentence for each of them.
 */
export async function removedSince(ports: Pick<Ports, 'store' | 'signer'>, run: RunRecord): Promise<string[]> {
  if (run.kind !== RESTORE.kind || run.hidden === true || !hasWritten(run)) return [];
  const needed = [
    [restoreInputSchema.parse(run.input).snapshot, 'restores: the restore cannot be finished with it'],
    [checkpointUndo(run) ?? run.id, 'saved: the restore cannot be undone with it'],
  ] as const;
  const texts: string[] = [];
  for (const [id, what] of needed) {
    const isThere = !isId(id) || (await loadManifest(ports.store, id)) !== null;
    const tombstone = isThere ? null : await readTombstone(ports, id);
    if (tombstone === null) continue;
    const { prunedAt, reasons } = tombstone;
    texts.push(
      `Snapshot ${id}, which was removed at ${prunedAt} (${reasons.map(printable).join('; ')}), is the one that this run ${what}.`,
    );
  }
  return texts;
}

function removedText(id: string, removed: Undo['removed']): string {
  const saved = `not possible: the previous state was saved as snapshot ${id}, which`;
  if (removed === null || removed === undefined) return `${saved} is gone from the store`;
  return `${saved} was removed at ${removed.at} (${removed.reasons.map(printable).join('; ')})`;
}
