import type { RequestListener } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import getPort from 'get-port';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { taskEndpoint } from '../../lib/services/task-endpoint.js';
import { wayBackChecks } from '../../lib/health/checks/way-back.js';
import { examine, type CheckResult } from '../../lib/health/doctor.js';
import { withErrorResponse } from '../../lib/http/responses.js';
import { runTask } from '../../lib/http/tasks.js';
import { silentLog } from '../../lib/app/in-process.js';
import type { FullApp } from '../../lib/app/app.js';
import type { Clock } from '../../lib/ports/clock.js';
import type { Queue } from '../../lib/ports/queue.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';

/** Time passes by sleeping alone, so that nobody waits for half a minute. */
function sleeper(): Clock {
  let now = Date.parse('2026-11-22T02:00:00Z');
  return {
    now: () => now,
    sleep: async (ms, signal) => {
      // The limit of a check is no time that passes.
      if (signal !== undefined) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      now += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

let server: HttpServer | null = null;
let folder: FolderStore;
let published: string[];
beforeEach(async () => {
  folder = await folderStore();
  published = [];
});
afterEach(async () => {
  await server?.stop();
  server = null;
  await folder.remove();
});

async function serving(listener: RequestListener): Promise<string> {
  server = await serveHttp(listener);
  return server.url;
}

async function checked(url: string, deliver: (body: string) => Promise<void> = () => Promise.resolve()) {
  const queue: Queue = {
    publish: async (messages) => {
      for (const { body } of messages) {
        published.push(body);
        await deliver(body);
      }
    },
    verify: () => Promise.resolve(true),
    health: () => Promise.resolve({ signingKeys: 'same' }),
  };
  const clock = sleeper();
  const endpoint = taskEndpoint(`${url}/api/tasks`, 1_000);
  const group = wayBackChecks({ url, endpoint: () => endpoint, queue: () => queue, store: () => folder.store, clock });
  const results: CheckResult[] = [];
  for await (const result of examine(clock, [group])) results.push(result);
  return results;
}

const unsigned = JSON.stringify({ code: 'unauthorized', detail: 'The message is not signed', status: 401 });
const ours: RequestListener = (request, response) => {
  expect([request.method, request.url, request.headers['upstash-signature']]).toEqual([
    'POST',
    '/api/tasks',
    undefined,
  ]);
  response.writeHead(401, { 'content-type': 'application/problem+json' }).end(unsigned);
};

describe('the way from the queue to the deployment', () => {
  it('works if the deployment refuses the request and a message is delivered', async () => {
    const url = await serving(ours);
    const app = {
      ports: { queue: { verify: () => Promise.resolve(true) }, store: folder.store },
    } as unknown as FullApp;
    const results = await checked(url, async (body) => {
      const request = new Request(`${url}/api/tasks`, { method: 'POST', body });
      const budget = { deadline: Infinity, lastAttempt: false, interrupt: new AbortController().signal };
      expect((await withErrorResponse(silentLog(), () => runTask(app, request, budget))).status).toBe(200);
    });
    expect(results.map(({ name, status }) => `${name} ${status}`)).toEqual(['queue-way-back ok', 'queue-delivery ok']);
    expect(await folder.store.folders('probe/')[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
  });

  it('fails if a message does not arrive within half a minute', async () => {
    const [, delivery] = await checked(await serving(ours));
    expect(delivery).toMatchObject({
      status: 'fail',
      hint: expect.stringMatching(/QStash console.*signing keys.*BACKUP_STORE/),
    });
  });

  it.each<[string, number, Record<string, string>, string, RegExp, RegExp]>([
    [
      'deployment protection',
      401,
      { 'content-type': 'text/html' },
      '<html>',
      /deployment protection/,
      /Deployment Protection/,
    ],
    [
      'its redirect to the login',
      302,
      { location: 'https://vercel.com/sso-api?url=x' },
      '',
      /deployment protection/,
      /--local/,
    ],
    ['the firewall', 403, { 'content-type': 'text/html' }, '<html>', /protection/, /Settings/],
    [
      'another host of the same',
      307,
      { location: 'https://www.backup.example/api/tasks' },
      '',
      /redirects to https:\/\/www\.backup\.example/,
      /PUBLIC_URL=https:\/\/www\.backup\.example/,
    ],
    [
      'https',
      308,
      { location: 'https://backup.example/api/tasks' },
      '',
      /HTTP 308/,
      /PUBLIC_URL=https:\/\/backup\.example/,
    ],
    [
      'no deployment',
      404,
      { 'x-vercel-error': 'DEPLOYMENT_NOT_FOUND' },
      'The deployment could not be found',
      /DEPLOYMENT_NOT_FOUND/,
      /Domains/,
    ],
    ['another application', 404, { 'content-type': 'text/html' }, '<html>', /another application/, /own deployment/],
    [
      'an application that takes everything',
      200,
      { 'content-type': 'text/html' },
      '<html>',
      /not in the form of this program/,
      /own deployment/,
    ],
    [
      'a function that dies',
      500,
      { 'x-vercel-error': 'FUNCTION_INVOCATION_FAILED' },
      'x',
      /FUNCTION_INVOCATION_FAILED/,
      /log of \/api\/tasks/,
    ],
    ['a paused deployment', 503, { 'x-vercel-error': 'DEPLOYMENT_PAUSED' }, 'x', /DEPLOYMENT_PAUSED/, /turned on/],
    [
      'our function without its variables',
      500,
      { 'content-type': 'application/problem+json' },
      JSON.stringify({ code: 'config', detail: 'BACKUP_STORE is missing' }),
      /BACKUP_STORE is missing/,
      /variables/,
    ],
  ])('%s is named, with what to do', async (_, status, headers, body, detail, hint) => {
    const url = await serving((request, response) => {
      request.resume();
      response.writeHead(status, headers).end(body);
    });
    const [knock, delivery] = await checked(url);
    expect(knock).toMatchObject({
      status: 'fail',
      detail: expect.stringMatching(detail),
      hint: expect.stringMatching(hint),
    });
    expect([delivery?.status, published]).toEqual(['skipped', []]);
  });

  it('a slow host, a dead host and an unknown name are distinguished', async () => {
    const slow = await serving(() => undefined);
    expect((await checked(slow))[0]).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('did not answer'),
    });
    const dead = `http://127.0.0.1:${await getPort()}`;
    expect((await checked(dead))[0]).toMatchObject({ status: 'fail', detail: expect.stringContaining('ECONNREFUSED') });
    const none = (await checked('http://no-such-host.invalid'))[0];
    expect(none).toMatchObject({ status: 'fail', detail: expect.stringMatching(/does not exist|cannot be reached/) });
  });

  it('a host without TLS behind https is named', async () => {
    const url = (await serving(ours)).replace('http:', 'https:');
    expect((await checked(url))[0]).toMatchObject({ status: 'fail', detail: expect.stringContaining('certificate') });
  });
});
