import type { Json } from '../json.js';
import { AppError } from '../errors.js';
import type { BackendStats } from '../ports/backend.js';
import type { RunRecord } from '../runs/model.js';
import { checkProject, type ProjectReport } from '../soulcaster/invariants.js';
import { projectLabel } from '../snapshot/project-label.js';
import { openContext, spentSince, type RestoreContext, type RestorePorts, type Spent } from './context.js';

/** What the running backend says: as Redis has it, otherwise, no answer, or nobody asked. */
export type BackendVerdict = 'agrees' | 'differs' | 'no-answer' | 'not-asked';

/** A type, not an interface: it is stored as JSON. */
export type InspectedProject = ProjectReport & { readonly backend: BackendVerdict };
export type InspectResult = { readonly projects: readonly InspectedProject[]; readonly spent: Spent };

/** Projects that one task looks at. */
const PROJECTS = 10;

export function inspectTasks(projects: readonly string[]): number {
  return Math.ceil(projects.length / PROJECTS);
}

/** Checks that what the application expects of its projects holds, and asks its backend, if there is one. */
export async function inspectTask(ports: RestorePorts, run: RunRecord, task: number): Promise<Json> {
  const context = await openContext(ports, run);
  const before = context.redis.usage();
  const projects: InspectedProject[] = [];
  for (const project of context.state.projects.slice(task * PROJECTS, (task + 1) * PROJECTS)) {
    const report = await checkProject(
      context.redis,
      project,
      'project' in context.input.scope ? context.facts : undefined,
    );
    const inspected = { ...report, backend: await askBackend(ports, context, report) };
    projects.push(ports.sealer.suffix === '' ? inspected : unnamed(inspected));
  }
  return { projects, spent: spentSince(context.redis, before) } as unknown as Json;
}

/** As it may stand beside encrypted parts: the project under its label, and none of its ids. */
function unnamed({ project, violations, ...rest }: InspectedProject): InspectedProject {
  const counted = violations.map((violation) => ({ ...violation, examples: [] }));
  return { ...rest, project: projectLabel(project), violations: counted };
}

/** The backend reads the database that is backed up, so that it says nothing of another target. */
async function askBackend(
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
