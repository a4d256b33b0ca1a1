import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Leg, RunRecord, StepOutcome } from '../runs/model.js';
import { checkPart, type Finding } from '../snapshot/check-part.js';
import { doubledLines } from '../snapshot/doubles.js';
import { partName } from '../snapshot/names.js';
import { inputOf, parseRestoreCheckpoint } from './checkpoint.js';
import { openContext, type RestorePorts } from './context.js';
import { sourceIndexName, writeIndex } from './key-set.js';
import { enter } from './phases.js';
import { mergeFindings, scopeObserver, type ScopeFindings } from './scope.js';
import { tidyUp } from './tidy.js';

interface CheckResult {
  readonly findings: readonly Finding[];
  readonly scope: ScopeFindings;
}

/** Reads one part of the snapshot whole, before anything is written, and notes what it holds of the scope. */
export async function checkTask(ports: RestorePorts, run: RunRecord, task: number): Promise<Json> {
  const { input, manifest } = await openContext(ports, run);
  const observer = scopeObserver(input.scope, doubledLines(manifest.doubles, task), { usersByListAlone: input.undoes });
  const part = manifest.parts[task];
  if (part === undefined) return { findings: [], scope: observer.findings() };
  const checked = checkPart(ports, manifest.id, part, manifest.parts, observer.see);
  const { findings, index } = await checked.catch((error: unknown) => {
    throw unopened(error, partName(manifest.id, part.name));
  });
  if (index !== null) await writeIndex(ports.store, sourceIndexName(run.id, task), index);
  return { findings, scope: observer.findings() };
}

/** What opens parts does not know their names. */
function unopened(error: unknown, name: string): unknown {
  if (!(error instanceof AppError) || (error.code !== 'wrong-key' && error.code !== 'damaged')) return error;
  const { code, message, hint } = error;
  return new AppError(code, `${name}: ${message}. Nothing was written.`, { hint, cause: error });
}

/** Condemns the snapshot if any part is damaged: nothing has been written yet. Else names the parts that matter. */
export async function surveyStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const state = parseRestoreCheckpoint(leg.run.checkpoint);
  const found: Finding[] = [];
  const scopes: ScopeFindings[] = [];
  const parts: number[] = [];
  for await (const { task, result } of leg.results('check')) {
    const { findings, scope } = result as unknown as CheckResult;
    found.push(...findings);
    scopes.push(scope);
    if (scope.touched) parts.push(task);
  }
  if (found.length > 0) return enter('condemn', { ...state, findings: found }, 0, ports.clock.now());
  const { facts, projects } = mergeFindings(inputOf(leg.run).scope, scopes);
  return enter('abilities', { ...state, parts, facts, projects }, 0, ports.clock.now());
}

/** Ends the run over a damaged snapshot. A phase of its own: what the parts' tasks found is removed with their notes. */
export async function condemnStep(ports: RestorePorts, leg: Leg): Promise<StepOutcome> {
  const { findings } = parseRestoreCheckpoint(leg.run.checkpoint);
  await tidyUp(ports.store, leg.run.id);
  return damaged(inputOf(leg.run).snapshot, findings);
}

function damaged(snapshot: string, findings: readonly Finding[]): StepOutcome {
  const named = findings.map(({ code, subject }) => `${code} ${subject}`).join('; ');
  const message = `Snapshot ${snapshot} is damaged: ${named}. Nothing was written.`;
  const hint =
    'Restore from another snapshot; if the bucket keeps versions, bring the older version of the object back.';
  return { to: 'end', state: 'failed', result: { findings }, error: { code: 'damaged', message, hint } };
}
