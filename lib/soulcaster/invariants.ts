import type { RedisCommand, RedisPort } from '../ports/redis.js';
import { checkClusters, checkJobs } from './invariants/clusters.js';
import { type CheckContext, groups, parseFields, runCommands, setPages } from './invariants/context.js';
import { checkFeedback } from './invariants/feedback.js';
import { newTally, type Rule, type Violation } from './invariants/rules.js';

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

const PROJECT_FIELDS = ['id', 'user_id', 'name', 'created_at'] as const;
const REPOS = 500;

/**
 * Checks that the project's hash and its user's list of projects agree. `known`: other users who may list the project.
 * Returns whether the dashboard finds the project.
 */
export async function checkOwner(context: CheckContext, known: Iterable<string>): Promise<boolean> {
  const { project, tally } = context;
  const [reply] = await runCommands(context, [['HMGET', `project:${project}`, ...PROJECT_FIELDS]]);
  const fields = parseFields(PROJECT_FIELDS, reply);
  const owner = fields?.user_id ?? null;
  if (fields === null) tally.add('project-missing', project);
  else if (owner === null) tally.add('project-without-owner', project);
  const others = [...new Set(known)].filter((user) => user !== owner);
  const users = owner === null ? others : [owner, ...others];
  const replies = await runCommands(
    context,
    users.map((user): RedisCommand => ['SISMEMBER', `user:projects:${user}`, project]),
  );
  let isFound = false;
  for (const [index, user] of users.entries()) {
    const isListed = replies[index] === 1;
    if (user === owner) isFound = isListed;
    if (user === owner && !isListed) tally.add('owner-without-project', user);
    if (user !== owner && isListed) tally.add('project-of-another-user', user);
  }
  return isFound;
}

/** Checks that `github:repos` and the hashes agree. `named`: repositories that items name. */
export async function checkRepos(context: CheckContext, named: ReadonlySet<string>): Promise<void> {
  const { project, tally } = context;
  const listed = new Set<string>();
  for await (const { elements } of setPages(context, [`github:repos:${project}`])) {
    for (const repo of elements) listed.add(repo);
  }
  for (const repos of groups(new Set([...listed, ...named]), REPOS)) {
    const replies = await runCommands(
      context,
      repos.map((repo): RedisCommand => ['EXISTS', `github:repo:${project}:${repo}`]),
    );
    for (const [index, repo] of repos.entries()) {
      const hasHash = replies[index] === 1;
      if (!hasHash && listed.has(repo)) tally.add('repo-without-hash', repo);
      if (hasHash && !listed.has(repo)) tally.add('repo-not-listed', repo);
    }
  }
}
