import { DAY, MINUTE, stampWithin, type Scope, createCommand, collectionWriter, hash, type Write } from './write.js';

const LOCK_MS = 600_000;
const SECRET_ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789';

/** The project's own hash, its settings and its repositories. */
export function* writeProject(scope: Scope, name: string): Generator<Write> {
  const { project, user } = scope;
  yield hash(project, `project:${project}`, {
    id: project,
    user_id: user,
    name,
    created_at: stampWithin(scope, 400 * DAY).iso,
  });
  yield* writeSettings(scope);
  yield* writeRepos(scope);
}

function* writeSettings({ project, random }: Scope): Generator<Write> {
  const secret = () => random.text(40, SECRET_ALPHABET);
  const setting = (path: string, value: string) => createCommand(project, 'SET', path, value);
  yield setting(`config:reddit:subreddits:${project}`, JSON.stringify(['SaaS', 'startups', 'webdev']));
  yield setting(`config:sentry:${project}:webhook_secret`, JSON.stringify(secret()));
  yield setting(`config:sentry:${project}:environments`, JSON.stringify(['production', 'staging']));
  yield setting(`config:splunk:${project}:webhook_token`, JSON.stringify(secret()));
  yield setting(`config:splunk:${project}:searches`, JSON.stringify(['errors in checkout', 'anmeldung schlägt fehl']));
  // The application stores this secret raw, the others as JSON.
  yield setting(`config:datadog:${project}:webhook_secret`, secret());
  yield setting(`config:datadog:${project}:monitors`, JSON.stringify(['*']));
  yield setting(`config:posthog:${project}:event_types`, JSON.stringify(['$exception', 'rage_click']));
}

function* writeRepos(scope: Scope): Generator<Write> {
  const { project, random, repos } = scope;
  yield createCommand(project, 'SADD', `github:repos:${project}`, ...repos);
  for (const fullName of repos) {
    const [owner = '', repo = ''] = fullName.split('/');
    const synced = random.chance(0.8) ? stampWithin(scope, 3 * DAY).iso : undefined;
    const issues = random.whole(0, 400);
    yield hash(project, `github:repo:${project}:${fullName}`, {
      owner,
      repo,
      full_name: fullName,
      enabled: random.chance(0.8) ? 'true' : 'false',
      issue_count: String(issues),
      last_synced: synced,
    });
    if (synced !== undefined) {
      const state = JSON.stringify({ last_synced: synced, issue_count: issues });
      yield createCommand(project, 'SET', `github_sync_state:${project}:${owner}:${repo}`, state);
    }
  }
}

/** Clustering jobs; with `isLocked` the newest is still running and holds the project's lock. */
export function* writeClusterJobs(scope: Scope, count: number, isLocked: boolean): Generator<Write> {
  const { project, random, now } = scope;
  const recent = collectionWriter(project, 'ZADD', `cluster_jobs:${project}:recent`);
  for (let index = 0; index < count; index++) {
    const id = random.uuid();
    const isRunning = isLocked && index === 0;
    const created = stampWithin(scope, isRunning ? MINUTE : 30 * DAY);
    const status = isRunning ? 'running' : random.pick(['succeeded', 'succeeded', 'succeeded', 'failed', 'pending']);
    const stats = { items: random.whole(1, 900), clusters_created: random.whole(0, 40), seconds: random.next() * 90 };
    yield hash(project, `cluster_job:${project}:${id}`, {
      id,
      project_id: project,
      status,
      created_at: created.iso,
      started_at: status === 'pending' ? undefined : created.iso,
      finished_at: status === 'succeeded' || status === 'failed' ? stampWithin(scope, now - created.ms).iso : undefined,
      error: status === 'failed' ? 'Embedding quota used up' : undefined,
      stats: JSON.stringify(status === 'succeeded' ? stats : {}),
    });
    yield* recent.add(created.score, id);
    if (isRunning) yield createCommand(project, 'SET', `cluster:lock:${project}`, id, 'PXAT', String(now + LOCK_MS));
  }
  yield* recent.rest();
}
