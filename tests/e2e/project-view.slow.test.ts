import { afterEach, describe, expect, it } from '@jest/globals';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { openDatabase } from '../support/redis-calls.js';
import { nightlyStack, type NightlyStack, type RunView } from './nightly-stack.js';

let nightly: NightlyStack;
afterEach(() => nightly.stack.stop());

const ITEMS = 12;

interface Row {
  readonly project: string;
  readonly keys: number | null;
  readonly items: number | null;
  readonly vectors: number | null;
  readonly pending: number | null;
}

interface View {
  readonly snapshot: string | null;
  readonly projects: Row[];
  readonly store: string;
  readonly redis: string;
  readonly vectors: string;
}

async function open(variables: Record<string, string> = {}): Promise<void> {
  const functions = { onLog: () => undefined };
  nightly = await nightlyStack({ items: ITEMS, mixed: 50 }, { gemini: { vectors: 'hash' }, functions, variables });
}

async function view(): Promise<View> {
  const answer = await nightly.admin('/api/status?view=projects');
  expect(answer.status).toBe(200);
  return (await answer.json()) as View;
}

async function snapshot(): Promise<string> {
  const run = (await (await nightly.cron()).json()) as RunView;
  return (run.state === 'running' ? await nightly.finished(run.runId) : run).runId;
}

async function reindexAll(): Promise<void> {
  const headers = { authorization: `Bearer ${nightly.stack.env['ADMIN_TOKEN'] ?? ''}` };
  const body = JSON.stringify({ scope: { all: true } });
  const answer = await nightly.call('/api/reindex', { method: 'POST', headers, body });
  const { runId } = (await answer.json()) as RunView;
  expect(await nightly.finished(runId)).toMatchObject({ state: 'succeeded' });
}

/** Projects of the database, by their own hashes, and the keys that name each. */
async function projectsIn(redis: ReturnType<typeof openDatabase>): Promise<string[]> {
  const names = await redis.keys('project:*');
  return names.map((name) => name.slice('project:'.length)).sort();
}

describe('GET /api/status?view=projects', () => {
  it('counts what each project has in the snapshot, in Redis and in the index', async () => {
    await open();
    const redis = openDatabase(nightly.stack.urls.redis);
    const projects = await projectsIn(redis);
    const early = await view();
    expect(early).toMatchObject({ snapshot: null, store: 'ok', redis: 'ok', vectors: 'ok' });
    const name = expect.any(String) as unknown;
    expect(early.projects).toEqual(
      projects.map((project) => ({ project, name, keys: 0, items: ITEMS, vectors: 0, pending: 0, model: null })),
    );
    const id = await snapshot();
    await reindexAll();
    const [lost = '', kept = ''] = projects;
    await redis.del(`project:${lost}`, `feedback:created:${lost}`);
    await redis.hset('project:newer', { id: 'newer' });
    await redis.set('feedback:created:newer', 'of another type');
    redis.disconnect();
    const late = await view();
    const row = (project: string): Row | undefined => late.projects.find((each) => each.project === project);
    expect(late.snapshot).toBe(id);
    expect(late.projects.map(({ project }) => project)).toEqual([...projects, 'newer'].sort());
    expect(row(lost)).toEqual({ ...row(kept), project: lost, name: null, keys: row(lost)?.keys, items: 0 });
    expect(row(kept)).toMatchObject({ items: ITEMS, keys: expect.any(Number) });
    expect((row(kept)?.vectors ?? 0) + (row(kept)?.pending ?? 0)).toBe(ITEMS);
    expect(row('newer')).toEqual({
      project: 'newer',
      name: null,
      keys: 0,
      items: null,
      vectors: 0,
      pending: 0,
      model: null,
    });
  });

  it('matches the labels of an encrypted snapshot with the projects that are known by name', async () => {
    const recipient = await identityToRecipient(await generateIdentity());
    await open({ BACKUP_AGE_RECIPIENTS: recipient, UPSTASH_VECTOR_REST_TOKEN: '' });
    const redis = openDatabase(nightly.stack.urls.redis);
    const [lost = '', kept = ''] = await projectsIn(redis);
    await snapshot();
    const whole = await view();
    expect(whole).toMatchObject({ redis: 'ok', vectors: 'not-configured' });
    expect(whole.projects.map(({ project, keys, items }) => [project, (keys ?? 0) > ITEMS, items])).toEqual(
      [lost, kept].map((project) => [project, true, ITEMS]),
    );
    await redis.del(`project:${lost}`);
    redis.disconnect();
    const { projects } = await view();
    const label = expect.stringMatching(/^sha256:[0-9a-f]{16}$/) as unknown;
    const { keys } = whole.projects[0] ?? {};
    const unknown = { name: null, items: null, vectors: null, pending: null, model: null };
    expect(projects).toEqual([whole.projects[1], { project: label, keys, ...unknown }]);
  });

  it('says what cannot be had, and tells the rest', async () => {
    await open({ UPSTASH_VECTOR_REST_TOKEN: 'wrong' });
    const id = await snapshot();
    expect(await view()).toMatchObject({ snapshot: id, store: 'ok', redis: 'ok', vectors: 'unavailable' });
    await nightly.stack.redis.stop();
    const { projects, ...rest } = await view();
    const deployment = expect.objectContaining({ label: null }) as unknown;
    expect(rest).toEqual({ deployment, snapshot: id, store: 'ok', redis: 'unavailable', vectors: 'unavailable' });
    expect(projects.length).toBe(2);
    for (const row of projects) expect(row).toMatchObject({ keys: expect.any(Number), items: null, vectors: null });
  });
});
