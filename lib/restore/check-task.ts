import { fileHint } from './choose.js';
import { AppError } from '../errors.js';
import type { Json } from '../json.js';
import type { Attempt, RunFailure, RunRecord, StepOutcome } from '../runs/model.js';
import { checkPart, type Finding } from '../snapshot/check-part.js';
import { duplicateLines } from '../snapshot/duplicates.js';
import { partName } from '../snapshot/names.js';
import { classifyKey } from '../soulcaster/keys.js';
import { inputOf, parseRestoreCheckpoint, type RestoreCheckpoint } from './checkpoint.js';
import { asFacts, openContext, type RestorePorts } from './context.js';
import { sourceIndexName, writeIndex } from './key-set.js';
import { erasedKeys, erasedScope, type Erased } from './erased.js';
import type { RestoreInput, Scope } from './model.js';
import { enter } from './phases.js';
import { itemName, scopeWords } from './scope-words.js';
import { itemsOf, namedKeys, projectsOf, scopeMatcher, selectionOf } from './selected.js';
import { mergeFindings, scopeObserver, type ScopeFindings } from './scope.js';
import { tidyUpPlan } from './tidy.js';

interface CheckResult {
  readonly findings: readonly Finding[];
  readonly scope: ScopeFindings;
  /** The same of the erased projects; left out where there are none, and in results of older versions. */
  readonly erased?: ScopeFindings;
}

/** Reads one part of the snapshot whole, before anything is written, and notes what it holds of the scope. */
export async function checkTask(ports: RestorePorts, run: RunRecord, task: number, signal: AbortSignal): Promise<Json> {
  const { input, manifest, state } = await openContext(ports, run, signal);
  const without = duplicateLines(manifest.doubles, task);
  const observer = scopeObserver(input.scope, without, { usersByListAlone: input.undoes });
  const gone = erasedScope(state.erased);
  const erased = gone === null ? null : scopeObserver(gone, without);
  const result = () => ({
    scope: observer.findings(),
    ...(erased === null ? {} : { erased: erased.findings() }),
  });
  const part = manifest.parts[task];
  if (part === undefined) return { findings: [], ...result() };
  const checked = checkPart(ports, manifest.id, part, manifest.parts, (line, number) => {
    observer.see(line, number);
    erased?.see(line, number);
  });
  const { findings, index } = await checked.catch((error: unknown) => {
    throw unopened(error, partName(manifest.id, part.name));
  });
  if (index !== null) await writeIndex(ports.store, sourceIndexName(run.id, task), index);
  return { findings, ...result() };
}

/** What opens parts does not know their names. */
function unopened(error: unknown, name: string): unknown {
  if (!(error instanceof AppError) || (error.code !== 'wrong-key' && error.code !== 'damaged')) return error;
  const { code, message, hint } = error;
  return new AppError(code, `${name}: ${message}. Nothing was written.`, { hint, cause: error });
}

/** Condemns the snapshot if any part is damaged: nothing has been written yet. Else names the parts that matter. */
export async function surveyStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const state = parseRestoreCheckpoint(attempt.run.checkpoint);
  const found: Finding[] = [];
  const scopes: ScopeFindings[] = [];
  const erasedScopes: ScopeFindings[] = [];
  const parts: number[] = [];
  for await (const { task, result } of attempt.results('check')) {
    const { erased, findings, scope } = result as unknown as CheckResult;
    found.push(...findings);
    scopes.push(scope);
    if (erased !== undefined) erasedScopes.push(erased);
    if (scope.touched) parts.push(task);
  }
  if (found.length > 0) return enter('condemn', { ...state, findings: found }, 0, ports.clock.now());
  const { scope, undoes } = inputOf(attempt.run);
  const { facts, found: entries, projects, vectors } = mergeFindings(scope, scopes, { usersByListAlone: undoes });
  const gone = erasedScope(state.erased);
  const erasedFacts = gone === null ? [] : mergeFindings(gone, erasedScopes).facts;
  const isLeft = (project: string): boolean => !state.erased.projects.includes(project);
  const erased = { ...state.erased, facts: erasedFacts };
  const [left, leftVectors] = [projects.filter(isLeft), vectors.filter(isLeft)];
  const next = { ...state, parts, facts, erased, projects: left, vectors: leftVectors };
  const lacking =
    erasedOf(scope, erased) ?? (undoes ? null : lackingOf(inputOf(attempt.run), next, entries, ports.snapshotWords));
  if (lacking !== null) return enter('condemn', { ...next, lacking }, 0, ports.clock.now());
  return enter('abilities', next, 0, ports.clock.now());
}

/** Ends the run over a snapshot that is damaged, or that lacks what was asked for. A separate phase: what the parts' tasks found is removed with their notes. */
export async function condemnStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { findings, lacking } = parseRestoreCheckpoint(attempt.run.checkpoint);
  await tidyUpPlan(ports.store, attempt.run.id);
  if (lacking !== null) return { to: 'end', state: 'failed', result: null, error: lacking };
  return damaged(inputOf(attempt.run).snapshot, findings);
}

/**
 * What the scope names one by one and the snapshot does not hold: to restore it would only remove what is there. Null when
 * it holds everything that is named, and anything at all.
 */
function lackingOf(
  { scope, snapshot }: RestoreInput,
  { facts, parts }: Pick<RestoreCheckpoint, 'facts' | 'parts'>,
  { keys, matches }: ScopeFindings['found'],
  file: string | undefined,
): RunFailure | null {
  if ('all' in scope || 'project' in scope) return null;
  const belongs = scopeMatcher(scope, asFacts(scope, facts));
  const isThere = (key: Buffer, at: number): boolean =>
    keys.includes(at) && belongs(key, classifyKey(key.toString('utf8'))) !== 'other';
  const names = itemsOf(scope)?.map(itemName) ?? ('keys' in scope ? scope.keys : []);
  const there = namedKeys(scope).map(isThere);
  const absent = names.filter((_, at) => there[at] !== true);
  const patterns = selectionOf(scope).matches.filter((_, at) => !matches.includes(at));
  const what = itemsOf(scope) === null ? 'key' : 'item';
  const words = [
    ...(absent.length === 0 ? [] : [listed(what, absent)]),
    ...(patterns.length === 0 ? [] : [listed('key that matches', patterns)]),
  ];
  if (words.length === 0 && parts.length > 0) return null;
  const missing = words.length === 0 ? scopeWords(scope) : words.join(', and no ');
  return {
    code: 'not-found',
    message: `${file === undefined ? `Snapshot ${snapshot}` : `The file ${file}`} holds no ${words.length === 0 ? `key of ${missing}` : missing}. Nothing was written.`,
    hint: `${file === undefined ? `\`npx soulcaster-backup ls ${snapshot} --env-file .env\` lists the keys in it.` : fileHint(file)} A key must fit every kind that is given (--project, --family, --match, --key); locks are never restored.`,
  };
}

/**
 * What the scope names one by one and the erasure list has. Refused as a whole: to leave it out would, in mode `replace`, remove
 * what is there of it, which nobody asked for.
 */
function erasedOf(scope: Scope, erased: Erased): RunFailure | null {
  const keys = erasedKeys(erased);
  const projects = projectsOf(scope).filter((project) => erased.projects.includes(project));
  const names = namedKeys(scope).filter((key) => keys.has(classifyKey(key.toString('utf8'))));
  if (projects.length + names.length === 0) return null;
  const what =
    projects.length > 0
      ? listed('project', projects)
      : listed(
          'key',
          names.map((key) => key.toString('utf8')),
        );
  return {
    code: 'not-restorable',
    message: `On the erasure list, so that no restore brings it back: ${what}. Nothing was written.`,
    hint: '`npx soulcaster-backup erasures list --env-file .env` says why and since when; `erasures withdraw` takes an entry back.',
  };
}

const LISTED = 3;

function listed(what: string, names: readonly string[]): string {
  const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : '';
  return `${what} ${names
    .slice(0, LISTED)
    .map((name) => JSON.stringify(name.slice(0, 100)))
    .join(', ')}${more}`;
}

function damaged(snapshot: string, findings: readonly Finding[]): StepOutcome {
  const named = findings.map(({ code, subject }) => `${code} ${subject}`).join('; ');
  const message = `Snapshot ${snapshot} is damaged: ${named}. Nothing was written.`;
  const hint =
    'Restore from another snapshot; if the bucket keeps versions, bring the older version of the object back.';
  return { to: 'end', state: 'failed', result: { findings }, error: { code: 'damaged', message, hint } };
}
