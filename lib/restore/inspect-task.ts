import type { Json } from '../json.js';
import { AppError } from '../errors.js';
import type { BackendStats } from '../ports/backend.js';
import type { RunRecord } from '../runs/model.js';
import type { RedisPort } from '../ports/redis.js';
import { findUnlisted } from '../soulcaster/invariants/unlisted.js';
import { inspectProject, type FullReport, type ProjectReport } from '../soulcaster/invariants.js';
import type { Rule, Violation } from '../soulcaster/invariants/rules.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { scanNames } from '../snapshot/scan/pages.js';
import { sizesOf, loadManifest, type Manifest } from '../snapshot/manifest.js';
import { projectLabel } from '../snapshot/counts.js';
import { isId } from '../runs/ids.js';
import { keyOf } from '../snapshot/record.js';
import { sourceRecords, type SourceRecord } from '../snapshot/source-records.js';
import { stopIfAborted } from './compare/read-live.js';
import type { TargetRecord } from './model.js';
import { comparedRecordsOf } from './target-records.js';
import type { Proof } from './proof.js';
import { recordedProjects, unsavedKeys } from './recorded-projects.js';
import { openContext, spentSince, type RestoreContext, type RestorePorts, type Spent } from './context.js';
import { withoutErased, type ErasedKeys } from './erased.js';
import { isWhole } from './scope.js';

/** What the running backend reports: the same counts as Redis, other counts, no answer; or it was not asked. */
type BackendVerdict = 'agrees' | 'differs' | 'no-answer' | 'not-asked';

/** A type, not an interface: it is stored as JSON. */
export type InspectedProject = Omit<ProjectReport, 'violations'> & {
  readonly violations: readonly TracedViolation[];
  readonly backend: BackendVerdict;
};
export type InspectResult = { readonly projects: readonly InspectedProject[]; readonly spent: Spent };

/** Projects that one task inspects. Tasks that read the database take at least `least`, since each walks over all names. */
const PROJECTS = { least: 10, most: 100 };
/** Keys that a task holds in memory, 550 bytes each; beyond `most` it reads the database, a page at a time. */
const KEYS = { wanted: 150_000, most: 250_000 };
/** Bytes of lines that each task can read in a fraction of a function's time. */
const LINES = 2_000_000_000;

/** Projects per task: more where they are small, since each task walks over all names or all records. */
export function projectsATask({ manifest, state }: RestoreContext, mirror: boolean): number {
  const fitting = Math.floor((KEYS.wanted * state.projects.length) / Math.max(1, manifest.counts.keys));
  return Math.min(PROJECTS.most, Math.max(mirror ? 1 : PROJECTS.least, fitting));
}

/**
 * Checks the application's invariants of some projects, in the records where these equal the target, and compares with
 * the backend, if there is one.
 */
export async function inspectTask(
  ports: RestorePorts,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const before = context.redis.usage();
  const projects: InspectedProject[] = [];
  const { mirror, projectsATask: size } = context.state;
  const names = context.state.projects.slice(task * size, (task + 1) * size);
  const recorded = mirror ? await inspectRecords(ports, context, names, signal) : null;
  const reports = recorded ?? (await inspectProjects(context, context.redis, namesIn(context.redis), names));
  const traced =
    recorded === null ? await traceViolations(ports, context, reports) : recorded.map(violationsInSnapshot);
  for (const [at, { report }] of reports.entries()) {
    const backend = await checkBackend(ports, context, report);
    const inspected = { ...report, violations: traced[at] ?? [], backend };
    projects.push(ports.encryptor.suffix === '' ? inspected : withoutIds(inspected));
  }
  return { projects, spent: spentSince(context.redis, before) } as unknown as Json;
}

/**
 * Whether the records equal the target, so that invariants can be checked in the records instead. They do when
 * everything is replaced, each record was found equal, and the walk afterwards found no other key of any type. Equal
 * means type, value and expiry, all of them read. Where the proof cannot show this, the target itself is read:
 *
 * - a record was not found equal: it differs, is missing, was kept or blocked;
 * - the proof allows an absence because of expiry: a record or a field of the projects has one (see `inspectRecords`);
 *   invariants do not read other keys with an expiry, such as a job's logs;
 * - the snapshot lacks keys that it could not hold: its records cannot show whether a fault is new or was there before;
 * - the scope is not everything: invariants read jobs and users' lists that belong to no project of the scope;
 * - there are more lines than a task can read.
 *
 * As in the proof, writes after a key was compared are not seen.
 */
export function isMirror({ input, manifest }: RestoreContext, { total }: Proof, extras: number): boolean {
  const isReplaced = input.mode === 'replace' && 'all' in input.scope;
  const isEqual = total.different + total.missing + total.kept + total.blocked === 0;
  return (
    isReplaced && isEqual && extras === 0 && manifest.ledger.unsupported.count === 0 && sizesOf(manifest).plain <= LINES
  );
}

/**
 * Inspects projects in the records that the proof compared, without commands except for keys of projects whose names
 * are words of the grammar. Null when a key or field that invariants may read has an expiry, or when there are too many
 * keys.
 */
async function inspectRecords(
  ports: RestorePorts,
  context: RestoreContext,
  names: readonly string[],
  signal: AbortSignal,
): Promise<FullReport[] | null> {
  const records = provenRecords(ports, context, signal);
  const options = { beyond: context.redis, most: KEYS.most };
  const { lasts, pages, redis } = await recordedProjects(records, new Set(names), options);
  return lasts ? inspectProjects(context, redis, pages(), names) : null;
}

async function* provenRecords(
  ports: RestorePorts,
  context: RestoreContext,
  signal: AbortSignal,
): AsyncGenerator<TargetRecord> {
  for (const part of context.state.parts.keys()) {
    for await (const record of comparedRecordsOf(ports, context, part)) {
      stopIfAborted(signal);
      yield record;
    }
  }
}

/** Violations in the records themselves: all are in the snapshot. */
function violationsInSnapshot({ report }: FullReport): TracedViolation[] {
  return report.violations.map((each) => ({ ...each, inSnapshot: each.count, before: 0, fresh: 0, unknown: 0 }));
}

async function* namesIn(redis: RedisPort): AsyncGenerator<ClassifiedKey[]> {
  for await (const { keys } of scanNames(redis, '0')) {
    yield keys.map(({ key }) => classifyKey(key.toString('utf8')));
  }
}

/** The report as it may be stored beside encrypted parts: the project's label, and no ids. */
function withoutIds({ project, violations, ...rest }: InspectedProject): InspectedProject {
  const counted = violations.map((violation) => ({ ...violation, examples: [] }));
  return { ...rest, project: projectLabel(project), violations: counted };
}

/** The backend reads the protected database, so it is not asked about another target. */
async function checkBackend(
  { backend }: RestorePorts,
  { input }: RestoreContext,
  report: ProjectReport,
): Promise<BackendVerdict> {
  if (!backend.configured || input.target !== null) return 'not-asked';
  try {
    if (!(await backend.healthy())) return 'no-answer';
    const stats = await backend.stats(report.project);
    return isSameCount(stats, report) ? 'agrees' : 'differs';
  } catch (error) {
    if (error instanceof AppError && error.code === 'backend-unavailable') return 'no-answer';
    throw error;
  }
}

/** The backend reports some of the sources only. */
function isSameCount(stats: BackendStats, report: ProjectReport): boolean {
  const sources = Object.entries(stats.bySource).every(([source, count]) => (report.bySource[source] ?? 0) === count);
  return stats.feedback === report.feedback && stats.clusters === report.clusters && sources;
}

/** How many of the ids that break a rule now also broke it elsewhere; the numbers add up to `count`. */
interface Origin {
  /** Broke it in the restored snapshot. */
  readonly inSnapshot: number;
  /** Broke it in the database before the restore, but not in the snapshot. */
  readonly before: number;
  /** Broke it in neither: caused by the restore or by concurrent writes. */
  readonly fresh: number;
  /** Not in the snapshot, and the earlier state was not saved, or not completely. */
  readonly unknown: number;
}

/** A type, not an interface: it is stored as JSON. */
type TracedViolation = Violation & Origin;

type IdsOf = FullReport['idsOf'];

/**
 * Finds where the violations of some projects come from, by the ids that break each rule in the snapshot and in the
 * safety snapshot. Each is read only when needed.
 */
async function traceViolations(
  ports: RestorePorts,
  context: RestoreContext,
  reports: readonly FullReport[],
): Promise<TracedViolation[][]> {
  const faulty = reports.filter(({ report }) => report.violations.length > 0);
  if (faulty.length === 0) return reports.map(() => []);
  const names = faulty.map(({ report }) => report.project);
  const inSnapshot = await violatingIdsIn(ports, context, context.manifest, names, context.erased);
  const isExplained = ({ report, idsOf }: FullReport): boolean =>
    report.violations.every(({ rule }) =>
      [...idsOf(rule)].every((id) => breaksRule(inSnapshot, report.project, rule, id)),
    );
  const saved = faulty.every(isExplained) ? null : await loadSafetyManifest(ports, context);
  const before = saved === null ? null : await violatingIdsIn(ports, context, saved, names, null);
  // Keys that could not be saved were left as they were: a violation that they cause is not known to be new.
  const isAll = saved === null || (await unsavedKeys(ports.encryptor, saved)).all;
  const isKnown = isAll && (saved !== null || context.state.targetEmpty || isReplaced(context.input));
  return reports.map(({ report, idsOf }) =>
    report.violations.map((violation) => {
      const origin = { inSnapshot: 0, before: 0, fresh: 0, unknown: 0 };
      for (const id of idsOf(violation.rule)) {
        if (breaksRule(inSnapshot, report.project, violation.rule, id)) origin.inSnapshot += 1;
        else if (before !== null && breaksRule(before, report.project, violation.rule, id)) origin.before += 1;
        else if (isKnown) origin.fresh += 1;
        else origin.unknown += 1;
      }
      return { ...violation, ...origin };
    }),
  );
}

function breaksRule(ids: ReadonlyMap<string, IdsOf>, project: string, rule: Rule, id: string): boolean {
  return ids.get(project)?.(rule).has(id) === true;
}

async function violatingIdsIn(
  ports: RestorePorts,
  context: RestoreContext,
  manifest: Manifest,
  projects: readonly string[],
  erased: ErasedKeys | null,
): Promise<ReadonlyMap<string, IdsOf>> {
  const unsaved = (await unsavedKeys(ports.encryptor, manifest)).keys;
  const records = savedRecords(ports, manifest, erased);
  const { redis, pages } = await recordedProjects(records, new Set(projects), { unsaved });
  const reports = await inspectProjects(context, redis, pages(), projects);
  return new Map(reports.map(({ report, idsOf }) => [report.project, idsOf]));
}

/** The records of a snapshot, without the erased data. */
async function* savedRecords(
  ports: RestorePorts,
  manifest: Manifest,
  erased: ErasedKeys | null,
): AsyncGenerator<SourceRecord> {
  for (const part of manifest.parts.keys()) {
    for await (const record of sourceRecords(ports, manifest, part)) {
      const known = classifyKey(keyOf(record.first).toString('utf8'));
      if (erased?.has(known) === true) continue;
      yield erased?.mayList(known) === true ? withoutErased(record, erased) : record;
    }
  }
}

/**
 * Inspects projects in a database, or in the records of a snapshot; one walk over the names finds clusters and jobs
 * that no list names. A restore of projects knows ids that their own lists may lack; they are checked in every source,
 * or old violations would look new.
 */
export async function inspectProjects(
  { facts, input }: Pick<RestoreContext, 'facts' | 'input'>,
  redis: RedisPort,
  names: AsyncIterable<readonly ClassifiedKey[]>,
  projects: readonly string[],
): Promise<FullReport[]> {
  const unlisted = await findUnlisted(redis, projects, names);
  const reports: FullReport[] = [];
  for (const project of projects) {
    const found = unlisted.get(project);
    const own = isWhole(input.scope) ? facts.byProject.get(project) : undefined;
    const clusters = [...(own?.clusters ?? []), ...(found?.clusters ?? [])];
    const jobs = [...(own?.jobs ?? []), ...(found?.jobs ?? [])];
    const [users, broken] = [own?.users ?? [], found?.broken ?? []];
    reports.push(await inspectProject(redis, project, { clusters, jobs, users, broken }));
  }
  return reports;
}

/** Whether the restore leaves of each project exactly what the snapshot has. */
function isReplaced({ mode, scope }: RestoreContext['input']): boolean {
  return mode === 'replace' && isWhole(scope);
}

async function loadSafetyManifest(ports: RestorePorts, { state }: RestoreContext): Promise<Manifest | null> {
  if (state.undo === null || !isId(state.undo)) return null;
  return (await loadManifest(ports.store, state.undo))?.manifest ?? null;
}
