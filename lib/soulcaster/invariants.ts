import type { RedisPort } from '../ports/redis.js';
import { checkClusters } from './invariants/clusters.js';
import { checkFeedback } from './invariants/feedback.js';
import { checkJobs } from './invariants/jobs.js';
import type { CheckContext } from './invariants/context.js';
import { checkOwner, checkRepos } from './invariants/project.js';
import { newTally, type Rule, type Violation } from './invariants/rules.js';

export { findUnlisted, type Unlisted } from './invariants/unlisted.js';
export { RULES, type Rule, type Violation } from './invariants/rules.js';

/** Ids that a snapshot or an earlier look told of, and that the project's own lists may lack. ProjectFacts is one. */
interface KnownIds {
  readonly clusters: Iterable<string>;
  readonly jobs?: Iterable<string>;
  readonly users?: Iterable<string>;
  /** What `findUnlisted` found broken beside the project's lists. */
  readonly broken?: Iterable<readonly [rule: Rule, id: string]>;
}

/** A report with all ids that break rules, which it names the first few of. */
export interface FullReport {
  readonly report: ProjectReport;
  readonly idsOf: (rule: Rule) => ReadonlySet<string>;
}

export interface ProjectReport {
  readonly project: string;
  /** Items that the application can read: its `/stats` calls them `total_feedback`. */
  readonly feedback: number;
  /** Clusters that the application can read: its `total_clusters`. */
  readonly clusters: number;
  /** `feedback` by source; sources without items are left out. */
  readonly bySource: Readonly<Record<string, number>>;
  /**
   * Whether the dashboard has what it needs: the project is there and its user lists it; there are as many hashes of
   * items as entries by time and by source, and as many hashes of clusters as entries of their list, which can be read.
   */
  readonly loads: boolean;
  /** What does not hold, each rule once; empty when the data are whole. */
  readonly violations: readonly Violation[];
}

/**
 * Checks the data of one project in a live database against what the application takes for granted. Nothing is written
 * and the database is not scanned: all is reached from the project's own lists, so a hash that no list names is only
 * found when `known` does. In memory are the ids of this one project and a page of values, never bodies. About three
 * commands an item and four a cluster. Throws the port's errors, and `redis-command` when Redis refuses to read.
 */
export async function checkProject(
  redis: RedisPort,
  project: string,
  known: KnownIds = { clusters: [] },
): Promise<ProjectReport> {
  return (await inspectProject(redis, project, known)).report;
}

/** The same, with every id. */
export async function inspectProject(redis: RedisPort, project: string, known: KnownIds): Promise<FullReport> {
  const tally = newTally();
  const context: CheckContext = { redis, project, tally };
  const isFound = await checkOwner(context, known.users ?? []);
  const feedback = await checkFeedback(context);
  const clusters = await checkClusters(context, known.clusters, feedback.created, feedback.unclustered);
  await checkJobs(context, clusters.ids, known.jobs ?? []);
  await checkRepos(context, feedback.repos);
  for (const [rule, id] of known.broken ?? []) tally.add(rule, id);
  const isFeedbackWhole =
    feedback.created.size === feedback.present && feedback.created.size === feedback.listedBySource;
  const areClustersWhole = clusters.listed === clusters.present && !tally.has('cluster-breaks-list');
  const report = {
    project,
    feedback: feedback.readable,
    clusters: clusters.readable,
    bySource: Object.fromEntries(feedback.bySource),
    loads: isFound && isFeedbackWhole && areClustersWhole,
    violations: tally.result(),
  };
  return { report, idsOf: tally.ids };
}
