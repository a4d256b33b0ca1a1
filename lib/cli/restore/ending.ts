import { deploymentOf, hostOf } from '../../app/connect/database.js';
import { exitCodeOf, type AppError } from '../../errors.js';
import type { RunRecord } from '../../runs/model.js';
import type { Context } from '../context.js';
import { errorDocument, printError } from '../output/report-error.js';
import { fieldsOf, dryRunResult, restoredResult } from '../../restore/result.js';
import type { Environment } from '../../app/config.js';
import type { Json } from '../../json.js';
import type { Encryptor } from '../../ports/crypto.js';
import type { LedgerKey } from '../../snapshot/manifest.js';
import { openNames } from '../../snapshot/ledger.js';

/** Ends a command with the result of its run: prints the error and the JSON document, and returns the exit code. */
export function finishCommand(context: Context, run: RunRecord, error: AppError | null, more: object = {}): number {
  if (error !== null) printError(error, { env: context.env, err: (text) => context.note(text) });
  context.document({
    runId: run.id,
    state: run.state,
    ...fieldsOf(run.result),
    ...more,
    deployment: deploymentOf(context.env),
    error: error === null ? null : errorDocument(error).error,
  });
  return error === null ? 0 : exitCodeOf(error.code);
}

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
