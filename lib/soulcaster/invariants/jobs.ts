import type { RedisCommand } from '../../ports/redis.js';
import { runCommands, parseFields, groups, type CheckContext } from './context.js';
import { sortedSetPages } from './pages.js';

const JOB_FIELDS = ['id', 'project_id', 'cluster_id', 'status'] as const;
const JOBS = 500;

/** An entry in the list of jobs of a cluster. */
interface Listed {
  readonly job: string;
  readonly cluster: string;
}

/** Checks the jobs that the project's clusters list, and those that the caller knows (`known`). */
export async function checkJobs(
  context: CheckContext,
  clusters: ReadonlySet<string>,
  known: Iterable<string>,
): Promise<void> {
  const ids = [...clusters];
  const listed = new Set<string>();
  const keys = ids.map((id) => `cluster:jobs:${id}`);
  let waiting: Listed[] = [];
  for await (const { index, elements } of sortedSetPages(context, keys)) {
    for (const [job] of elements) {
      listed.add(job);
      waiting.push({ job, cluster: ids[index] ?? '' });
    }
    // Most clusters have a job or two, so the jobs of many clusters are read together.
    if (waiting.length < JOBS) continue;
    await checkListed(context, waiting);
    waiting = [];
  }
  await checkListed(context, waiting);
  for (const jobs of groups(known, JOBS)) {
    await checkUnlisted(
      context,
      jobs.filter((job) => !listed.has(job)),
    );
  }
}

async function readJobs(context: CheckContext, jobs: readonly string[]) {
  const replies = await runCommands(
    context,
    jobs.map((job): RedisCommand => ['HMGET', `job:${job}`, ...JOB_FIELDS]),
  );
  return jobs.map((id, index) => ({ id, fields: parseFields(JOB_FIELDS, replies[index]) }));
}

async function checkListed(context: CheckContext, listed: readonly Listed[]): Promise<void> {
  const jobs = await readJobs(
    context,
    listed.map(({ job }) => job),
  );
  for (const [index, { id, fields }] of jobs.entries()) {
    if (fields === null) {
      context.tally.add('job-without-hash', id);
      continue;
    }
    if (fields.project_id !== context.project) context.tally.add('job-of-another-project', id);
    if (fields.cluster_id !== listed[index]?.cluster) context.tally.add('job-of-another-cluster', id);
  }
}

/** A known job that is gone, or belongs to another project by now, is not a fault of this project. */
async function checkUnlisted(context: CheckContext, jobs: readonly string[]): Promise<void> {
  const own = (await readJobs(context, jobs)).filter(({ fields }) => fields?.project_id === context.project);
  const scores = await runCommands(
    context,
    own.map(({ id, fields }): RedisCommand => ['ZSCORE', `cluster:jobs:${fields?.cluster_id ?? ''}`, id]),
  );
  for (const [index, { id }] of own.entries()) if (scores[index] === null) context.tally.add('job-not-listed', id);
}
