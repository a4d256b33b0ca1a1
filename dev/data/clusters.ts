import {
  DAY,
  MINUTE,
  stampWithin,
  type Scope,
  type Stamp,
  changeCommand,
  createCommand,
  collectionWriter,
  hash,
  type Write,
} from './write.js';
import type { Topic } from './topics.js';
import { fill } from './wording.js';

const DIMENSIONS = 768;
const LOGS_KEPT = 7 * DAY;

/** States of a cluster and of its last job; the shares are percentages. */
const STATES = [
  { status: 'new', share: 62, job: null },
  { status: 'fixing', share: 6, job: 'running' },
  { status: 'pr_opened', share: 22, job: 'succeeded' },
  { status: 'failed', share: 10, job: 'failed' },
] as const;

type State = (typeof STATES)[number];

/** One cluster of the given items, with its coding plan and its jobs. */
export function* writeCluster(scope: Scope, topic: Topic, items: readonly string[]): Generator<Write> {
  const { random, project } = scope;
  const id = random.uuid();
  const created = stampWithin(scope, 90 * DAY);
  const state = pickState(scope);
  const repo = random.pick(scope.repos);
  yield clusterHash(scope, { id, topic, state, repo, created });
  const members = collectionWriter(project, 'SADD', `cluster:${project}:${id}:items`);
  for (const item of items) yield* members.add(item);
  yield* members.rest();
  yield* scope.clusters.add(created.score, id);
  if (state.job !== null || random.chance(0.2)) {
    const steps = [`Reproduce: ${topic.summary}`, 'Write a failing test', 'Fix and open a pull request'];
    const plan = { id: random.uuid(), cluster_id: id, title: topic.label, steps, created_at: created.iso };
    yield createCommand(project, 'SET', `coding_plan:${project}:${id}`, JSON.stringify(plan));
  }
  if (state.job !== null) yield* writeJobs(scope, id, state.job, repo);
}

function pickState({ random }: Scope): State {
  let left = random.whole(1, 100);
  for (const state of STATES) {
    left -= state.share;
    if (left <= 0) return state;
  }
  return STATES[0];
}

interface ClusterFacts {
  readonly id: string;
  readonly topic: Topic;
  readonly state: State;
  readonly repo: string;
  readonly created: Stamp;
}

function clusterHash(scope: Scope, { id, topic, state, repo, created }: ClusterFacts): Write {
  const { random, project } = scope;
  const title = fill(random, topic.label);
  const isOpened = state.status === 'pr_opened';
  return hash(project, `cluster:${project}:${id}`, {
    id,
    project_id: project,
    title,
    summary: topic.summary,
    status: state.status,
    created_at: created.iso,
    updated_at: stampWithin(scope, scope.now - created.ms).iso,
    github_branch: state.job === null ? undefined : `soulcaster/fix-${id.slice(0, 8)}`,
    github_pr_url: isOpened ? `https://github.com/${repo}/pull/${random.whole(1, 900)}` : undefined,
    error_message: state.status === 'failed' ? 'Tests failed after the change: exit status 1' : undefined,
    issue_title: `Fix: ${title}`,
    issue_description: `## What happens\n\n${topic.sentences
      .slice(0, 3)
      .map((s) => `- ${fill(random, s)}`)
      .join('\n')}\n`,
    github_repo_url: `https://github.com/${repo}`,
    centroid: random.chance(0.3) ? centroid(scope) : undefined,
    sources: JSON.stringify(['github', 'reddit', 'sentry'].slice(0, random.whole(1, 3))),
  });
}

function centroid({ random }: Scope): string {
  const numbers = Array.from({ length: DIMENSIONS }, () => (random.next() - 0.5) / 14);
  return `[${numbers.map((number) => number.toFixed(6)).join(', ')}]`;
}

function* writeJobs(
  scope: Scope,
  cluster: string,
  outcome: 'running' | 'succeeded' | 'failed',
  repo: string,
): Generator<Write> {
  const { random, project } = scope;
  const runs = collectionWriter(project, 'ZADD', `cluster:jobs:${cluster}`);
  const earlier = random.chance(0.3) ? (['failed'] as const) : [];
  for (const status of [...earlier, outcome]) {
    const id = random.uuid();
    const created = stampWithin(scope, status === 'running' ? 20 * MINUTE : 30 * DAY);
    const isDone = status === 'succeeded';
    yield hash(project, `job:${id}`, {
      id,
      project_id: project,
      cluster_id: cluster,
      status,
      logs: status === 'running' ? undefined : `Cloned ${repo}\nRan tests: ${status}\n`,
      pr_url: isDone ? `https://github.com/${repo}/pull/${random.whole(1, 900)}` : undefined,
      blob_url: isDone ? `https://blob.example.com/jobs/${id}.log` : undefined,
      created_at: created.iso,
      updated_at: stampWithin(scope, scope.now - created.ms).iso,
    });
    yield* runs.add(created.score, id);
    // Logs expire after 7 days: only recent jobs still have logs, with the remaining time to live.
    if (created.ms + LOGS_KEPT > scope.now + 5 * MINUTE) yield* writeLogs(scope, id, repo, created.ms + LOGS_KEPT);
  }
  yield* runs.rest();
}

function* writeLogs({ random, project }: Scope, job: string, repo: string, expiresAt: number): Generator<Write> {
  const key = `job:${job}:logs`;
  const steps = ['[plan] reading 7 files', '[edit] src/app.ts ✏️', '[test] npm test', '[git] pushed the branch'];
  const lines = [`[clone] ${repo}`, ...Array.from({ length: random.whole(3, 60) }, () => random.pick(steps))];
  yield createCommand(project, 'RPUSH', key, ...lines);
  yield changeCommand(project, 'PEXPIREAT', key, String(expiresAt));
}
