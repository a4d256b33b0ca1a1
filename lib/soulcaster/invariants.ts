import type { RedisPort } from '../ports/redis.js';
import { checkClusters } from './invariants/clusters.js';
import { checkFeedback } from './invariants/feedback.js';
import { checkJobs } from './invariants/jobs.js';
import type { CheckContext } from './invariants/context.js';
import { checkOwner, checkRepos } from './invariants/project.js';
import { newTally, type Rule, type Violation } from './invariants/rules.js';

export { findUnlisted, type Unlisted } from './invariants/unlisted.js';
export { RULES, type Rule, type Violation } from './invariants/rules.js';

/** Ids known from a snapshot or an earlier check, which the project's lists may lack. ProjectFacts fits this type. */
interface KnownIds {
  readonly clusters: Iterable<string>;
  readonly jobs?: Iterable<string>;
  readonly users?: Iterable<string>;
  /** Violations that `findUnlisted` found. */
  readonly broken?: Iterable<readonly [rule: Rule, id: string]>;
}

/** A report, which lists only the first ids that break each rule, with all of those ids. */
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
   * Whether the dashboard loads: the project exists and its user lists it; there are as many item hashes as entries by time
   * and by source, and as many cluster hashes as entries in their list, which is readable.
   */
  readonly loads: boolean;
  /** Broken rules, each once; empty if the data are consistent. */
  readonly violations: readonly Violation[];
}

/**
 * Checks the data of one project in a live database against the application's assumptions. Nothing is written and the
 * database is not scanned: everything is reached from the project's lists, so a hash that no list names is found only if
 * `known` names it. Keeps in memory the ids of this project and a page of values, never bodies. Takes about three commands
 * per item and four per cluster. Throws the port's errors, and `redis-command` when Redis refuses to read.
 */
export async function checkProject(
  redis: RedisPort,
  project: string,
  known: KnownIds = { clusters: [] },
): Promise<ProjectReport> {
  return (await inspectProject(redis, project, known)).report;
}

/** Like `checkProject`, with all ids. */
export async function inspectProject(redis: RedisPort, project: string, known: KnownIds): Promise<FullReport> {
  const tally = newTally();
  const context: CheckContext = { redis, project, tally };
  const isFound = await checkOwner(context, known.users ?? []);
  const feedback = await checkFeedback(context);
  const clusters = await checkClusters(context, known.clusters, feedback.created, feedback.unclustered);
  await checkJobs(context, clusters.ids, known.jobs ?? []);
  await checkRepos(context, feedback.repos);
  for (const [rule, id] of known.broken ?? []) tally.add(rule, id);
  const isFeedbackConsistent =
    feedback.created.size === feedback.present && feedback.created.size === feedback.listedBySource;
  const areClustersConsistent = clusters.listed === clusters.present && !tally.has('cluster-breaks-list');
  const report = {
    project,
    feedback: feedback.readable,
    clusters: clusters.readable,
    bySource: Object.fromEntries(feedback.bySource),
    loads: isFound && isFeedbackConsistent && areClustersConsistent,
    violations: tally.result(),
  };
  return { report, idsOf: tally.ids };
}
