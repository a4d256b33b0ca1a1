import type { Json } from '../json.js';
import type { RunRecord } from '../runs/model.js';
import { classifyKey } from '../soulcaster/keys.js';
import { encryptName } from '../snapshot/ledger.js';
import { keyOf } from '../snapshot/record.js';
import { compareOptions } from './compare-options.js';
import { compareRecords, type Comparison } from './compare/index.js';
import {
  openContext,
  spentSince,
  type RestoreContext,
  type RestorePorts,
  type RestoreSettings,
  type Spent,
} from './context.js';
import { lastingCounter, type Lasting } from './lasting.js';
import { keepLocks } from '../soulcaster/locks.js';
import type { RestoreInput, TargetRecord } from './model.js';
import { comparedRecordsOf, recordsOf } from './plan-task.js';
import { listMode } from './selected.js';
import { proveKept, savedLists } from './unite/prove-kept.js';
import { proveLists, provenRecords } from './unite/tasks.js';
import { countProof, noProof, needsProofExample, type Proof, type Verdict } from './proof-counts.js';

/** A type, not an interface: it is stored as JSON. */
export type ProofResult = { readonly proof: Proof; readonly lasting?: Lasting; readonly spent: Spent };

/** Compares every key of one part with its record. Tasks beyond the parts compare lists with the safety snapshot. */
export async function proveTask(
  ports: RestorePorts,
  settings: RestoreSettings,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const { input, redis, state } = context;
  const before = redis.usage();
  await keepLocks(redis, state.projects, run.id);
  const proof = noProof();
  const saved = task < state.parts.length ? null : await savedLists(ports, context);
  if (saved !== null) {
    const part = task - state.parts.length;
    await proveKept(ports, context, run.id, saved, part, proof, () => allRecords(ports, context));
    return { proof, spent: spentSince(redis, before) };
  }
  const options = await compareOptions(context, settings, signal);
  const lists = listMode(input) === 'replace' ? null : await proveLists(ports, context, run.id, proof);
  const records = provenRecords(ports, context, run, task, comparedRecordsOf(ports, context, task), lists);
  const lasting = lastingCounter(context);
  for await (const compared of compareRecords(redis, records, options)) {
    lasting.add(compared);
    const verdict = verdictOf(compared, input);
    const key = keyOf(compared.record.first);
    countProof(proof, classifyKey(key.toString('utf8')).family, verdict);
    if (needsProofExample(proof, verdict)) {
      proof.examples.push({ verdict, key: await encryptName(ports.encryptor, key), difference: compared.difference });
    }
  }
  await lists?.finish();
  return { proof, lasting: lasting.total(), spent: spentSince(redis, before) };
}

async function* allRecords(ports: RestorePorts, context: RestoreContext): AsyncGenerator<TargetRecord> {
  for (const task of context.state.parts.keys()) yield* recordsOf(ports, context, task);
}

function verdictOf(
  { record, live, over, unsavable }: Comparison,
  { mode, safety }: Pick<RestoreInput, 'mode' | 'safety'>,
): Verdict {
  // The record may have expired since the plan.
  const isOver = record.expired || over;
  if (live === 'equal') return 'equal';
  if (live === 'absent') return isOver ? 'expired' : 'missing';
  if (mode === 'missing') return 'kept';
  if (isOver && mode !== 'replace') return 'kept';
  return unsavable && safety ? 'blocked' : 'different';
}
