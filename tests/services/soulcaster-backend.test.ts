import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { soulcasterBackend } from '../../lib/services/soulcaster-backend.js';
import type { BackendStats } from '../../lib/ports/backend.js';
import { backendContract } from '../contracts/backend.js';
import { json, startServer, text, type Answer, type HttpServer } from './soulcaster-backend-server.js';

const silent: Answer = () => undefined;

const HTML = '<!doctype html><title>Soulcaster</title>';
const COUNTS = { total_feedback: 5, total_clusters: 2, by_source: { reddit: 5, sentry: 0, manual: 0 } };

const retry = { attempts: 3, baseMs: 1, capMs: 5 };
const backendAt = (url: string, timeoutMs = 5_000) =>
  soulcasterBackend({ url, clock: systemClock(), retry, timeoutMs });

backendContract('the adapter over an HTTP server', async () => {
  const projects = new Map<string, BackendStats>();
  let status = 'healthy';
  const server = await startServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://backend');
    const found = projects.get(url.searchParams.get('project_id') ?? '');
    if (url.pathname === '/health') json({ status })(request, response);
    else if (url.pathname !== '/stats' || found === undefined) json({ detail: 'Not Found' }, 404)(request, response);
    else {
      const { feedback, clusters, bySource } = found;
      const counts = { total_feedback: feedback, total_clusters: clusters, by_source: bySource };
      json({ ...counts, project_id: 'as asked' })(request, response);
    }
  });
  return {
    backend: backendAt(server.url),
    has: (project, stats) => void projects.set(project, stats),
    sicken: () => void (status = 'unhealthy'),
    stop: () => server.stop(),
  };
});

describe('soulcasterBackend', () => {
  let server: HttpServer;
  beforeAll(async () => {
    server = await startServer(json(COUNTS));
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    server.asked.length = 0;
  });

  const statsError = async (answer: Answer, timeoutMs?: number): Promise<unknown> => {
    server.answer = answer;
    return backendAt(server.url, timeoutMs)
      .stats('p1')
      .catch((error: unknown) => error);
  };

  it('sends requests below the path of its URL', async () => {
    server.answer = json(COUNTS);
    for (const suffix of ['', '/']) await backendAt(`${server.url}/api${suffix}`).stats('p 1');
    server.answer = json({ status: 'ok' });
    await backendAt(`${server.url}/`).healthy();
    expect(server.asked).toEqual(['GET /api/stats?project_id=p+1', 'GET /api/stats?project_id=p+1', 'GET /health']);
  });

  it.each<[string, Answer, boolean]>([
    ['ok', json({ status: 'ok' }), true],
    ['healthy', json({ status: 'Healthy', storage: 'connected' }), true],
    ['no status', json({ uptime: 3 }), false],
    ['plain text', text('ok'), false],
    ['a page', text(HTML), false],
    ['nothing', text('', 204), false],
    ['another status', json({ status: 'degraded' }), false],
    ['a status that is no text', json({ status: { db: 'ok' } }), false],
    ['storage that is not there', json({ status: 'healthy', storage: 'disconnected' }), false],
    ['503', json({ detail: { status: 'healthy' } }, 503), false],
    ['404', text(HTML, 404), false],
  ])('evaluates %s at /health', async (_, answer, expected) => {
    server.answer = answer;
    expect(await backendAt(server.url).healthy()).toBe(expected);
  });

  it.each([500, 502, 503, 429, 408])('retries after %i, and fails with a transient error', async (status) => {
    expect(await statsError(text(HTML, status))).toMatchObject({
      code: 'backend-unavailable',
      message: `The backend answered with status ${status}`,
      transient: true,
    });
    expect(server.asked).toHaveLength(3);
  });

  it('recovers from a transient failure', async () => {
    let calls = 0;
    server.answer = (request, response) =>
      (++calls < 3 ? text('waking up', 503) : json(calls === 3 ? { status: 'ok' } : COUNTS))(request, response);
    expect(await backendAt(server.url).healthy()).toBe(true);
    calls = 1;
    server.answer = (request, response) => {
      if (++calls < 3) request.socket.destroy();
      else json(COUNTS)(request, response);
    };
    expect(await backendAt(server.url).stats('p1')).toMatchObject({ feedback: 5, clusters: 2 });
  });

  it.each<[string, Answer]>([
    ['401', json({ detail: 'no' }, 401)],
    ['404', json({ detail: 'Not Found' }, 404)],
    ['HTML', text(HTML)],
    ['an empty body', text('')],
    ['JSON of another shape', json({ feedback: 5 })],
    ['a list', json([COUNTS])],
    ['a count that is none', json({ ...COUNTS, total_feedback: '5' })],
    ['a negative count', json({ ...COUNTS, total_clusters: -1 })],
    ['sources that are no counts', json({ ...COUNTS, by_source: { reddit: 'many' } })],
    ['cut JSON', text(JSON.stringify(COUNTS).slice(0, 40))],
    ['an endless page', text(HTML.repeat(5_000))],
  ])('fails permanently for %s, without quoting it', async (_, answer) => {
    const error = await statsError(answer);
    expect(error).toMatchObject({ code: 'backend-unavailable', transient: false });
    expect((error as Error).message).not.toMatch(/doctype|many|Not Found/);
    expect(server.asked).toHaveLength(1);
  });

  it('gives up on a server that hangs, before its answer or within it', async () => {
    const expected = {
      code: 'backend-unavailable',
      transient: true,
      message: expect.stringContaining('50 ms') as unknown,
    };
    expect(await statsError(silent, 50)).toMatchObject(expected);
    expect(await statsError((_, response) => response.writeHead(200).write('{"total_'), 50)).toMatchObject(expected);
    server.answer = silent;
    await expect(backendAt(server.url, 50).healthy()).rejects.toMatchObject(expected);
  });

  it('waits for a server that is slow', async () => {
    server.answer = (_, response) => {
      const whole = JSON.stringify(COUNTS);
      response.writeHead(200).write(whole.slice(0, 10));
      setTimeout(() => response.end(whole.slice(10)), 100);
    };
    expect(await backendAt(server.url).stats('p1')).toEqual({
      feedback: 5,
      clusters: 2,
      bySource: { reddit: 5, sentry: 0, manual: 0 },
    });
    expect(server.asked).toHaveLength(1);
  });

  it('is not configured without a URL, and says so', async () => {
    const none = soulcasterBackend({ url: null, clock: systemClock() });
    expect(none.configured).toBe(false);
    expect(await none.healthy()).toBe(false);
    await expect(none.stats('p1')).rejects.toMatchObject({
      code: 'backend-unavailable',
      transient: false,
      hint: expect.stringContaining('BACKEND_URL') as unknown,
    });
  });

  it.each(['', 'backend', 'ftp://backend', 'redis://backend:6379', 'https://me:hunter2@backend'])(
    'refuses the URL %s, and does not repeat it',
    (url) => {
      const make = () => soulcasterBackend({ url, clock: systemClock() });
      expect(make).toThrow(expect.objectContaining({ code: 'config' }));
      expect(make).not.toThrow(/hunter2/);
    },
  );
});
