import { AppError } from '../errors.js';
import type { Attempt, StepOutcome, RunFailure, RunRecord } from '../runs/model.js';
import { loadBoundManifest } from '../snapshot/statements.js';
import { loadErasedIds } from '../snapshot/erasures.js';
import { assertNotBeingRemoved } from '../snapshot/tombstone.js';
import type { Json } from '../json.js';
import { checkPart, type Finding } from '../snapshot/check-part.js';
import { duplicateLines } from '../snapshot/duplicates.js';
import { partName } from '../snapshot/names.js';
import { classifyKey } from '../soulcaster/keys.js';
import { inputOf, parseRestoreCheckpoint, enterPhase, type RestoreCheckpoint } from './checkpoint.js';
import { chooseManifest, assertSource, fileHint } from './choose.js';
import { openContext, type RestorePorts } from './context.js';
import { clockAheadOf, isMarked, countKeys } from './target.js';
import { asFacts, mergeFindings, scopeObserver, type ScopeFindings } from './facts.js';
import { sourceIndexName, writeIndex, tidyUpPlan } from './working-objects.js';
import { erasedKeys, erasedScope, type Erased } from './erased.js';
import type { RestoreInput, Scope } from './model.js';
import { itemName, scopeWords } from './scope-words.js';
import { itemsOf, namedKeys, projectsOf, scopeMatcher, selectionOf } from './scope.js';

/** Checks the snapshot and the target before the restore begins. */
export async function openStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const input = inputOf(attempt.run);
  const state = parseRestoreCheckpoint(attempt.run.checkpoint);
  await assertNotBeingRemoved(ports, attempt.run.id, input.snapshot);
  // Whether an incomplete snapshot is allowed was decided when the run was requested.
  const manifest = await chooseManifest(ports, input.snapshot, true);
  const bound = await loadBoundManifest(ports, input.snapshot, null);
  const target = ports.redisOf(input.target);
  await assertSource(ports, manifest, target, input);
  const startedAt = state.startedAt + (await clockAheadOf(target, ports.clock));
  const { clusters, jobs, projects, users } = await loadErasedIds(ports, ports.otherErasures ?? null);
  // The mark of a scratch database does not count as data.
  const marks = (await isMarked(target)) ? 1 : 0;
  const next = {
    ...state,
    manifestSha256: bound?.sha256 ?? null,
    shiftMs: Math.max(0, startedAt - Date.parse(manifest.window.to)),
    erased: { users: [...users], projects: [...projects], jobs: [...jobs], clusters: [...clusters], facts: [] },
    targetEmpty: (await countKeys(target)) === marks,
  };
  return enterPhase('check', next, manifest.parts.length, ports.clock.now());
}

interface CheckResult {
  readonly findings: readonly Finding[];
  readonly scope: ScopeFindings;
  /** The same for the erased projects; absent when there are none, and in results of older versions. */
  readonly erased?: ScopeFindings;
}

/** Reads one whole part of the snapshot before anything is written, and records which keys of the scope are in the part. */
export async function checkTask(ports: RestorePorts, run: RunRecord, task: number, signal: AbortSignal): Promise<Json> {
  const { input, manifest, state } = await openContext(ports, run, signal);
  const without = duplicateLines(manifest.doubles, task);
  const observer = scopeObserver(input.scope, without, { usersByListAlone: input.undoes });
  const erasedProjects = erasedScope(state.erased);
  const erased = erasedProjects === null ? null : scopeObserver(erasedProjects, without);
  const result = () => ({
    scope: observer.findings(),
    ...(erased === null ? {} : { erased: erased.findings() }),
  });
  const part = manifest.parts[task];
  if (part === undefined) return { findings: [], ...result() };
  const checked = checkPart(ports, manifest.id, part, manifest.parts, (line, number) => {
    observer.observe(line, number);
    erased?.observe(line, number);
  });
  const { findings, index } = await checked.catch((error: unknown) => {
    throw withPartName(error, partName(manifest.id, part.name));
  });
  if (index !== null) await writeIndex(ports.store, sourceIndexName(run.id, task), index);
  return { findings, ...result() };
}

/** Adds the part's name to an error of the decryption, which does not know the name. */
function withPartName(error: unknown, name: string): unknown {
  if (!(error instanceof AppError) || (error.code !== 'wrong-key' && error.code !== 'damaged')) return error;
  const { code, message, hint } = error;
  return new AppError(code, `${name}: ${message}. Nothing was written.`, { hint, cause: error });
}

/** Refuses a damaged snapshot: nothing has been written yet. Otherwise lists the parts that hold keys of the scope. */
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
  if (found.length > 0) return enterPhase('condemn', { ...state, findings: found }, 0, ports.clock.now());
  const { scope, undoes } = inputOf(attempt.run);
  const { facts, found: entries, projects, vectors } = mergeFindings(scope, scopes, { usersByListAlone: undoes });
  const erasedProjects = erasedScope(state.erased);
  const erasedFacts = erasedProjects === null ? [] : mergeFindings(erasedProjects, erasedScopes).facts;
  const isKept = (project: string): boolean => !state.erased.projects.includes(project);
  const erased = { ...state.erased, facts: erasedFacts };
  const [keptProjects, keptVectors] = [projects.filter(isKept), vectors.filter(isKept)];
  const next = { ...state, parts, facts, erased, projects: keptProjects, vectors: keptVectors };
  const lacking = erasedFailure(scope, erased) ?? (undoes ? null : absentFailure(inputOf(attempt.run), next, entries));
  if (lacking !== null) return enterPhase('condemn', { ...next, lacking }, 0, ports.clock.now());
  return enterPhase('abilities', next, 0, ports.clock.now());
}

/** Fails the run. A separate phase, because the results of the check tasks are removed with their markers. */
export async function refuseStep(ports: RestorePorts, attempt: Attempt): Promise<StepOutcome> {
  const { findings, lacking } = parseRestoreCheckpoint(attempt.run.checkpoint);
  await tidyUpPlan(ports.store, attempt.run.id);
  if (lacking !== null) return { to: 'end', state: 'failed', result: null, error: lacking };
  return damagedOutcome(inputOf(attempt.run).snapshot, findings);
}

/**
 * The error for keys, items or patterns that the scope names and the snapshot lacks: restoring them would only remove
 * what is there. Null when the snapshot holds everything named, and at least one key.
 */
function absentFailure(
  { file, scope, snapshot }: RestoreInput,
  { facts, parts }: Pick<RestoreCheckpoint, 'facts' | 'parts'>,
  { keys, matches }: ScopeFindings['found'],
): RunFailure | null {
  if ('all' in scope || 'project' in scope) return null;
  const belongs = scopeMatcher(scope, asFacts(scope, facts));
  const isInSnapshot = (key: Buffer, at: number): boolean =>
    keys.includes(at) && belongs(key, classifyKey(key.toString('utf8'))) !== 'other';
  const names = itemsOf(scope)?.map(itemName) ?? ('keys' in scope ? scope.keys : []);
  const present = namedKeys(scope).map(isInSnapshot);
  const absent = names.filter((_, at) => present[at] !== true);
  const patterns = selectionOf(scope).matches.filter((_, at) => !matches.includes(at));
  const what = itemsOf(scope) === null ? 'key' : 'item';
  const words = [
    ...(absent.length === 0 ? [] : [quotedNames(what, absent)]),
    ...(patterns.length === 0 ? [] : [quotedNames('key that matches', patterns)]),
  ];
  if (words.length === 0 && parts.length > 0) return null;
  const missing = words.length === 0 ? scopeWords(scope) : words.join(', and no ');
  return {
    code: 'not-found',
    message: `${file === null ? `Snapshot ${snapshot}` : `The file ${file}`} holds no ${words.length === 0 ? `key of ${missing}` : missing}. Nothing was written.`,
    hint: `${file === null ? `\`npx soulcaster-backup ls ${snapshot} --env-file .env\` lists the keys in it.` : fileHint(file)} A key must match every kind of selector given (--project, --family, --match, --key); locks are never restored.`,
  };
}

/**
 * The error for projects or keys that the scope names and that are on the erasure list. The whole restore is refused:
 * leaving them out would, in mode `replace`, remove them from the target without a request to do so.
 */
function erasedFailure(scope: Scope, erased: Erased): RunFailure | null {
  const keys = erasedKeys(erased);
  const projects = projectsOf(scope).filter((project) => erased.projects.includes(project));
  const names = namedKeys(scope).filter((key) => keys.has(classifyKey(key.toString('utf8'))));
  if (projects.length + names.length === 0) return null;
  const what =
    projects.length > 0
      ? quotedNames('project', projects)
      : quotedNames(
          'key',
          names.map((key) => key.toString('utf8')),
        );
  return {
    code: 'not-restorable',
    message: `On the erasure list, so no restore brings it back: ${what}. Nothing was written.`,
    hint: '`npx soulcaster-backup erasures list --env-file .env` says why and since when; `erasures withdraw` takes an entry back.',
  };
}

const LISTED = 3;

function quotedNames(what: string, names: readonly string[]): string {
  const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : '';
  return `${what} ${names
    .slice(0, LISTED)
    .map((name) => JSON.stringify(name.slice(0, 100)))
    .join(', ')}${more}`;
}

function damagedOutcome(snapshot: string, findings: readonly Finding[]): StepOutcome {
  const named = findings.map(({ code, subject }) => `${code} ${subject}`).join('; ');
  const message = `Snapshot ${snapshot} is damaged: ${named}. Nothing was written.`;
  const hint =
    'Restore from another snapshot; if the bucket keeps versions, bring the older version of the object back.';
  return { to: 'end', state: 'failed', result: { findings }, error: { code: 'damaged', message, hint } };
}
