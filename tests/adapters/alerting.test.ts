import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { alertWebhook } from '../../lib/adapters/alert-webhook.js';
import { httpHeartbeat } from '../../lib/adapters/heartbeat.js';
import type { Clock } from '../../lib/ports/clock.js';

/** Nobody waits between two tries. */
const hurried: Clock = { now: () => 0, sleep: () => Promise.resolve() };
const notice = {
  event: 'opened',
  code: 'rpo-breached',
  subject: 'database',
  message: 'It is <old> & breached.',
  hint: 'Do.',
  since: '2026-11-22T14:00:00.000Z',
} as const;

let server: Server;
let base: string;
let answers: number[];
let requests: { method: string; url: string; type: string; body: string }[];
beforeEach(async () => {
  [answers, requests] = [[], []];
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      requests.push({
        method: request.method ?? '',
        url: request.url ?? '',
        type: request.headers['content-type'] ?? '',
        body,
      });
      const status = answers.shift() ?? 200;
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {});
      response.end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const hook = () => alertWebhook({ url: `${base}/services/secret-path`, clock: hurried });

describe('the alert webhook', () => {
  it('is sent text as Slack takes it, and the same as data', async () => {
    await hook().send('It is <old> & breached.', [notice]);
    expect(requests).toMatchObject([{ method: 'POST', url: '/services/secret-path', type: 'application/json' }]);
    expect(JSON.parse(requests[0]?.body ?? '')).toEqual({
      text: 'It is &lt;old&gt; &amp; breached.',
      alerts: [notice],
    });
  });

  it.each([500, 429, 408])('is tried again after %i', async (status) => {
    answers = [status, status];
    await hook().send('x', [notice]);
    expect(requests).toHaveLength(3);
  });

  it.each([400, 404, 302])('is not tried again after %i', async (status) => {
    answers = [status];
    await expect(hook().send('x', [notice])).rejects.toMatchObject({ code: 'alert-unavailable', transient: false });
    expect(requests).toHaveLength(1);
  });

  it('never shows its address, not even when there is nobody', async () => {
    const nobody = alertWebhook({ url: 'http://127.0.0.1:1/services/secret-path', clock: hurried });
    const error: unknown = await nobody.send('x', [notice]).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'alert-unavailable', transient: true });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret-path');
  });

  it('sends nothing where none is configured', async () => {
    const none = alertWebhook({ url: null, clock: hurried });
    await none.send('x', [notice]);
    expect([none.configured, requests]).toEqual([false, []]);
  });
});

describe('the heartbeat', () => {
  it('is pinged at its address for success, below it for start and failure', async () => {
    for (const url of [`${base}/ping/uuid`, `${base}/ping/uuid/?rid=7`]) {
      const heartbeat = httpHeartbeat({ url, clock: hurried });
      for (const signal of ['start', 'success', 'fail'] as const) await heartbeat.ping(signal);
    }
    const query = ['', '?rid=7'];
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(
      query.flatMap((rest) => ['/start', '', '/fail'].map((path) => `GET /ping/uuid${path}${rest}`)),
    );
  });

  it('is tried twice, and says when nobody heard it', async () => {
    answers = [500, 500];
    const heartbeat = httpHeartbeat({ url: base, clock: hurried });
    await expect(heartbeat.ping('success')).rejects.toMatchObject({ code: 'alert-unavailable' });
    expect(requests).toHaveLength(2);
  });
});
