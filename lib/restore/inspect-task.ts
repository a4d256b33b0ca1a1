import type { Json } from '../json.js';
import { AppError, toAppError } from '../errors.js';
import type { BackendStats } from '../ports/backend.js';
import type { RunRecord } from '../runs/model.js';
import type { RedisPort } from '../ports/redis.js';
import type { FullReport, ProjectReport } from '../soulcaster/invariants.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { scanNames } from '../snapshot/scan/pages.js';
import { inspectProjects, traceViolations, type TracedViolation } from './origins.js';
import type { TargetRecord } from './model.js';
import { comparedRecordsOf } from './plan-task.js';
import type { Proof } from './proof-counts.js';
import { recordedProjects } from './recorded-projects.js';
import { sizesOf } from '../snapshot/sizes.js';
import { projectLabel } from '../snapshot/project-label.js';
import { openContext, spentSince, type RestoreContext, type RestorePorts, type Spent } from './context.js';

/** What the running backend says: as Redis has it, otherwise, no answer, or nobody asked. */
type BackendVerdict = 'agrees' | 'differs' | 'no-answer' | 'not-asked';

/** A type, not an interface: it is stored as JSON. */
export type InspectedProject = Omit<ProjectReport, 'violations'> & {
  readonly violations: readonly TracedViolation[];
  readonly backend: BackendVerdict;
};
export type InspectResult = { readonly projects: readonly InspectedProject[]; readonly spent: Spent };

/** Projects that one task inspects; the least is that of tasks that read the database, each of which goes by all names. */
const PROJECTS = { least: 10, most: 100 };
/** Keys that a task is to hold in memory, 550 bytes each; one that would hold more than `most` reads the database, a page at a time. */
const KEYS = { wanted: 150_000, most: 250_000 };
/** Bytes of lines that each task can go by: a fraction of the time that a function has. */
const LINES = 2_000_000_000;

/** More of them where they are small, since each task goes by all names, or all records. */
export function projectsATask({ manifest, state }: RestoreContext, mirror: boolean): number {
  const fitting = Math.floor((KEYS.wanted * state.projects.length) / Math.max(1, manifest.counts.keys));
  return Math.min(PROJECTS.most, Math.max(mirror ? 1 : PROJECTS.least, fitting));
}

/** Checks that what the application expects of its projects holds, in the records where these tell what is there, and asks its backend, if there is one. */
export async function inspectTask(
  ports: RestorePorts,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const before = context.redis.usage();
  const projects: InspectedProject[] = [];
  const { mirror, projectsATask: most } = context.state;
  const names = context.state.projects.slice(task * most, (task + 1) * most);
  const recorded = mirror ? await inspectRecords(ports, context, names, signal) : null;
  const reports = recorded ?? (await inspectProjects(context, context.redis, namesIn(context.redis), names));
  const traced = recorded === null ? await traceViolations(ports, context, reports) : recorded.map(inSnapshot);
  for (const [at, { report }] of reports.entries()) {
    const backend = await loadDashboard(ports, context, report);
    const inspected = { ...report, violations: traced[at] ?? [], backend };
    projects.push(ports.encryptor.suffix === '' ? inspected : unnamed(inspected));
  }
  return { projects, spent: spentSince(context.redis, before) } as unknown as Json;
}

/**
 * Whether the records tell what is in the target, so that the invariants hold of the one if they hold of the other. They do
 * where everything is replaced, each record was found equal, and the walk that came after found no other key, of whatever
 * type. Equal is type, value and expiry, all of them read; so what the proof cannot say is left to what reads the target:
 *
 * - a record that was not found equal: it differs, is missing, was kept or blocked;
 * - what the proof lets be absent, since its time is over: a record or a field of the projects that has an expiry (see
 *   `inspectRecords`); those of other keys, such as a job's logs, are nothing that invariants read;
 * - a snapshot that lacks keys it could not hold: whether a fault is the target's or was there before, its records cannot tell;
 * - a scope that is not everything: invariants read jobs and users' lists that belong to no project of it;
 * - more lines than a task can go by.
 *
 * As in the proof, what is written after a key was compared is not seen.
 */
export function isMirror({ input, manifest }: RestoreContext, { total }: Proof, extras: number): boolean {
  const isReplaced = input.mode === 'replace' && 'all' in input.scope;
  const isEqual = total.different + total.missing + total.kept + total.blocked === 0;
  return (
    isReplaced && isEqual && extras === 0 && manifest.ledger.unsupported.count === 0 && sizesOf(manifest).plain <= LINES
  );
}

/**
 * Inspects projects in the very records that the proof compared, without a command but for keys of projects whose names
 * are words of the grammar. Null where a key or a field that invariants may read has an expiry, or they are too many.
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
      if (signal.aborted) throw toAppError(signal.reason);
      yield record;
    }
  }
}

/** Of faults in the records themselves. */
function inSnapshot({ report }: FullReport): TracedViolation[] {
  return report.violations.map((each) => ({ ...each, inSnapshot: each.count, before: 0, fresh: 0, unknown: 0 }));
}

async function* namesIn(redis: RedisPort): AsyncGenerator<ClassifiedKey[]> {
  for await (const { keys } of scanNames(redis, '0')) {
    yield keys.map(({ key }) => classifyKey(key.toString('utf8')));
  }
}

/** As it may stand beside encrypted parts: the project under its label, and none of its ids. */
function unnamed({ project, violations, ...rest }: InspectedProject): InspectedProject {
  const counted = violations.map((violation) => ({ ...violation, examples: [] }));
  return { ...rest, project: projectLabel(project), violations: counted };
}

/** The backend reads the database that is backed up, so that it says nothing of another target. */
async function loadDashboard(
  { backend }: RestorePorts,
  { input }: RestoreContext,
  report: ProjectReport,
): Promise<BackendVerdict> {
  if (!backend.configured || input.target !== null) return 'not-asked';
  try {
    if (!(await backend.healthy())) return 'no-answer';
    const stats = await backend.stats(report.project);
    return agrees(stats, report) ? 'agrees' : 'differs';
  } catch (error) {
    if (error instanceof AppError && error.code === 'backend-unavailable') return 'no-answer';
    throw error;
  }
}

/** The backend names some of the sources only. */
function agrees(stats: BackendStats, report: ProjectReport): boolean {
  const sources = Object.entries(stats.bySource).every(([source, count]) => (report.bySource[source] ?? 0) === count);
  return stats.feedback === report.feedback && stats.clusters === report.clusters && sources;
}
