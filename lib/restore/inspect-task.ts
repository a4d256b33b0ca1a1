import type { Json } from '../json.js';
import { AppError } from '../errors.js';
import type { BackendStats } from '../ports/backend.js';
import type { RunRecord } from '../runs/model.js';
import type { RedisPort } from '../ports/redis.js';
import type { ProjectReport } from '../soulcaster/invariants.js';
import { classifyKey, type ClassifiedKey } from '../soulcaster/keys.js';
import { scanPages } from '../snapshot/scan/pages.js';
import { inspectProjects, traceViolations, type TracedViolation } from './origins.js';
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

/** Projects that one task looks at. */
const PROJECTS = 10;
/** With the factor that one SCAN asks for, about 1,000 keys a reply. */
const NAMES = 250;

export function inspectTasks(projects: readonly string[]): number {
  return Math.ceil(projects.length / PROJECTS);
}

/** Checks that what the application expects of its projects holds, and asks its backend, if there is one. */
export async function inspectTask(
  ports: RestorePorts,
  run: RunRecord,
  task: number,
  signal: AbortSignal,
): Promise<Json> {
  const context = await openContext(ports, run, signal);
  const before = context.redis.usage();
  const projects: InspectedProject[] = [];
  const names = context.state.projects.slice(task * PROJECTS, (task + 1) * PROJECTS);
  const reports = await inspectProjects(context, context.redis, namesIn(context.redis), names);
  const traced = await traceViolations(ports, context, reports);
  for (const [at, { report }] of reports.entries()) {
    const backend = await loadDashboard(ports, context, report);
    const inspected = { ...report, violations: traced[at] ?? [], backend };
    projects.push(ports.encryptor.suffix === '' ? inspected : unnamed(inspected));
  }
  return { projects, spent: spentSince(context.redis, before) } as unknown as Json;
}

async function* namesIn(redis: RedisPort): AsyncGenerator<ClassifiedKey[]> {
  for await (const { keys } of scanPages(redis, '0', () => NAMES)) {
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
