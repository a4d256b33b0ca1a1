import type { RedisCommand } from '../../ports/redis.js';
import { runCommands, chosen, groups, type CheckContext } from './context.js';
import { sortedSetPages } from './pages.js';

const JOB_FIELDS = ['id', 'project_id', 'cluster_id', 'status'] as const;
const JOBS = 500;

/** A job as the jobs of a cluster name it. */
interface Listed {
  readonly job: string;
  readonly cluster: string;
}

/** Checks the jobs that the project's clusters list, and those that the caller knows of besides. */
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
    // Most clusters have a job or two: those of many are read together.
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
  return jobs.map((id, index) => ({ id, fields: chosen(JOB_FIELDS, replies[index]) }));
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

/** A known job that is gone, or another project's by now, is no fault of this project's. */
async function checkUnlisted(context: CheckContext, jobs: readonly string[]): Promise<void> {
  const own = (await readJobs(context, jobs)).filter(({ fields }) => fields?.project_id === context.project);
  const scores = await runCommands(
    context,
    own.map(({ id, fields }): RedisCommand => ['ZSCORE', `cluster:jobs:${fields?.cluster_id ?? ''}`, id]),
  );
  for (const [index, { id }] of own.entries()) if (scores[index] === null) context.tally.add('job-not-listed', id);
}
