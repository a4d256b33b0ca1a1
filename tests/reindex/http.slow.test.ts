import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { loadWorkspace } from '../../dev/data/index.js';
import { killer } from '../e2e/killer.js';
import { nightlyStack, type NightlyStack } from '../e2e/nightly-stack.js';

let nightly: NightlyStack;

afterEach(() => nightly.stack.stop());

const QUIET = { onLog: () => undefined };
const NONE = { items: 0, mixed: 0 };
const ALL = { scope: { all: true } };
/** The items of two projects, and two items from before there were projects. */
const ITEMS = 2 * 230 + 2;
/** This many functions die, each at one of the first requests to Redis. */
const KILLS = 6;
const MOST_REQUESTS = 8;

function post(body: unknown, token = nightly.stack.env['ADMIN_TOKEN'] ?? ''): Promise<Response> {
  return nightly.call('/api/reindex', {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function storedObjects(): Promise<string[]> {
  const folder = fileURLToPath(nightly.stack.env['BACKUP_STORE'] ?? '');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe('POST /api/reindex', () => {
  it('refuses invalid requests and changes nothing', async () => {
    nightly = await nightlyStack({ items: 10, mixed: 0 }, { gemini: { vectors: 'hash' }, functions: QUIET });
    const refusals: [unknown, number, string][] = [
      ['not json', 400, 'usage'],
      [{ scope: { all: true }, mode: 'wrong' }, 422, 'invalid'],
      [{ scope: { all: false } }, 422, 'invalid'],
      [{ scope: { all: true }, force: true }, 422, 'invalid'],
      [{}, 422, 'invalid'],
      [{ ...ALL, retry: '20200101T000000Z-aaaaaa' }, 422, 'invalid'],
      [{ retry: '20200101T000000Z-aaaaaa' }, 404, 'not-found'],
      [{ retry: '20200101T000000Z-aaaaaa', mode: 'flush' }, 422, 'invalid'],
      [{ retry: '20200101T000000Z-aaaaaa', dropOld: true, confirm: ':g2' }, 422, 'invalid'],
      [{ retry: '20200101T000000Z-aaaaaa', model: 'gemini-embedding-2' }, 422, 'invalid'],
      [{ retry: '20200101T000000Z-aaaaaa', beside: { index: 'same', suffix: ':g2' } }, 422, 'invalid'],
      [{ ...ALL, beside: { index: 'same', suffix: '' } }, 422, 'invalid'],
      [{ ...ALL, beside: { index: 'same', suffix: 'a b' } }, 422, 'invalid'],
      [{ ...ALL, beside: { index: 'next', suffix: '' } }, 500, 'config'],
      [{ ...ALL, beside: { index: 'same', suffix: ':g2' }, dropOld: true }, 428, 'not-confirmed'],
      [
        { ...ALL, beside: { index: 'same', suffix: ':g2' }, dropOld: true, confirm: ':g2', mode: 'flush' },
        422,
        'invalid',
      ],
      [{ ...ALL, confirm: ':g2' }, 422, 'invalid'],
      [{ ...ALL, yesOverDays: true }, 422, 'invalid'],
      [{ ...ALL, mode: 'missing', yesOverDays: true }, 422, 'invalid'],
      [{ ...ALL, model: 'gemini-embedding-2' }, 400, 'usage'],
      [{ scope: { project: 'unknown' } }, 404, 'not-found'],
    ];
    for (const [body, status, code] of refusals) {
      const answer = await post(body);
      expect([body, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([body, status, code]);
    }
    expect((await post(ALL, 'wrong')).status).toBe(401);
    expect((await nightly.call('/api/reindex', { method: 'POST', body: JSON.stringify(ALL) })).status).toBe(401);
    expect(await storedObjects()).toEqual([]);
    expect(nightly.stack.vector.requestCount('upsert')).toBe(0);
    expect(nightly.stack.gemini.calls()).toBe(0);
  });

  it('reports at once that the index has another dimension', async () => {
    nightly = await nightlyStack(
      { items: 10, mixed: 0 },
      { variables: { EMBEDDING_DIMENSIONS: '512' }, functions: QUIET },
    );
    const answer = await post(ALL);
    expect([answer.status, await answer.json()]).toEqual([502, expect.objectContaining({ code: 'vector-mismatch' })]);
    expect(await storedObjects()).toEqual([]);
  });

  it('starts a run that the queue completes, one at a time', async () => {
    nightly = await nightlyStack(
      { items: 230, mixed: 50 },
      { gemini: { vectors: 'hash', delayMs: 50 }, functions: QUIET },
    );
    const answer = await post({ ...ALL, mode: 'flush' });
    expect(answer.status).toBe(202);
    const started = (await answer.json()) as { runId: string };
    expect(started).toMatchObject({ state: 'running', mode: 'flush', dryRun: false, ...ALL });
    expect(answer.headers.get('location')).toBe(`/api/runs/${started.runId}`);
    const second = await post(ALL);
    expect([second.status, await second.json()]).toEqual([409, expect.objectContaining({ code: 'locked' })]);
    const run = await nightly.finished(started.runId);
    expect(run).toMatchObject({ state: 'succeeded', result: { embedded: ITEMS, mode: 'flush', again: 0 } });
    expect(nightly.stack.gemini.textsEmbedded()).toBe(ITEMS + 1);
    const dry = (await (await post({ ...ALL, dryRun: true })).json()) as { runId: string };
    const counted = await nightly.finished(dry.runId);
    expect(counted).toMatchObject({ state: 'succeeded', result: { items: ITEMS, present: ITEMS, strays: 0 } });
  });

  it('has the same result when messages come twice, in disorder and late, and functions are killed', async () => {
    // The function that starts the run is not killed: it must send its response.
    let runId = '';
    const mayDie = (): boolean => runId !== '' && killing.deaths().length < KILLS;
    const killing = killer({
      stack: () => nightly.stack,
      after: () => (mayDie() ? 1 + Math.floor(Math.random() * MOST_REQUESTS) : null),
    });
    nightly = await nightlyStack(NONE, {
      gemini: { vectors: 'hash', delayMs: 30, textsPerMinute: 4000, speed: 60 },
      queue: { speed: 60, faults: { twice: 'after', order: 'random', delayMs: 20 } },
      functions: QUIET,
      redis: { onRequest: killing.onRequest },
      variables: { EMBEDDING_TEXTS_PER_MINUTE: '4000', RUN_LEASE_SECONDS: '1' },
    });
    const { urls } = nightly.stack;
    await loadWorkspace({ redisUrl: urls.redis, projects: 2, items: 230, seed: 9, locked: false, legacy: false });
    // How many die in one run is up to the queue.
    do {
      runId = '';
      ({ runId } = (await (await post(ALL)).json()) as { runId: string });
      const run = await nightly.finished(runId);
      expect(run).toMatchObject({ state: 'succeeded', error: null });
      expect(run.result).toMatchObject({ skipped: { count: 0 }, proof: { missing: 0, strays: 0, wrong: 0 } });
      expect(nightly.stack.gemini.distinctTexts()).toBeGreaterThan(400);
      await nightly.stack.queue.idle();
    } while (killing.deaths().length < KILLS);
  });
});
