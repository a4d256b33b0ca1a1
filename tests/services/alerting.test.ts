import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { bodyOf as whole, serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { alertWebhook, formatBody, detectFormat } from '../../lib/services/alert-webhook.js';
import { httpHeartbeat } from '../../lib/services/heartbeat.js';
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
  runbook: 'docs/operations.md#alert-rpo-breached',
} as const;

let server: HttpServer;
let answers: number[];
let bodies: string[];
let requests: { method: string; url: string; type: string; body: string }[];
beforeEach(async () => {
  [answers, bodies, requests] = [[], [], []];
  server = await serveHttp(async (request, response) => {
    const { headers, method = '', url = '' } = request;
    const body = (await whole(request)).toString();
    requests.push({ method, url, type: headers['content-type'] ?? '', body });
    const status = answers.shift() ?? 200;
    response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {});
    response.end(bodies.shift() ?? 'ok');
  });
});
afterEach(() => server.stop());

const hook = () => alertWebhook({ url: `${server.url}/services/secret-path`, clock: hurried });

describe('the alert webhook', () => {
  it('gets text in the form of Slack, and the same as data', async () => {
    await hook().send('It is <old> & breached.', [notice], 'key');
    expect(requests).toMatchObject([{ method: 'POST', url: '/services/secret-path', type: 'application/json' }]);
    expect(JSON.parse(requests[0]?.body ?? '')).toEqual({
      text: 'It is &lt;old&gt; &amp; breached.',
      alerts: [notice],
    });
  });

  it.each([500, 429, 408])('is retried after %i', async (status) => {
    answers = [status, status];
    await hook().send('x', [notice], 'key');
    expect(requests).toHaveLength(3);
  });

  it.each([400, 404, 302])('is not retried after %i', async (status) => {
    answers = [status];
    await expect(hook().send('x', [notice], 'key')).rejects.toMatchObject({
      code: 'alert-unavailable',
      transient: false,
    });
    expect(requests).toHaveLength(1);
  });

  it('never shows its address, not even when the host cannot be reached', async () => {
    const nobody = alertWebhook({ url: 'http://127.0.0.1:1/services/secret-path', clock: hurried });
    const error: unknown = await nobody.send('x', [notice], 'key').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'alert-unavailable', transient: true });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('secret-path');
  });

  it('sends nothing when no address is configured', async () => {
    const none = alertWebhook({ url: null, clock: hurried });
    await none.send('x', [notice], 'key');
    expect([none.configured, requests]).toEqual([false, []]);
  });
});

/** What says with a status of success that nothing was taken. */
const OBJECTIONS: readonly [who: string, text: string][] = [
  ['a page to sign in', '<!DOCTYPE html><html><title>Sign in</title></html>'],
  ['a code of Slack', 'invalid_payload'],
  ['a channel of Slack that is gone', 'channel_is_archived'],
  ['a proxy of Slack', '{"ok":false,"error":"invalid_auth"}'],
  ['Rocket.Chat', '{"success":false,"error":"Invalid integration id or token provided."}'],
  [
    'a connector of Teams',
    'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 404 with ContextId tcid=1',
  ],
  ['Uptime Kuma', '{"ok":false,"msg":"Monitor not found or not active."}'],
  ["a service of one's own", '{"status":"error"}'],
  ['a gateway', '{"error":{"code":403,"message":"forbidden"}}'],
];

describe('a refusal in an answer with status 200', () => {
  it.each(OBJECTIONS)('%s is not a delivery, and is not retried', async (_, text) => {
    bodies = [text];
    await expect(hook().send('x', [notice], 'key')).rejects.toMatchObject({
      code: 'alert-unavailable',
      transient: false,
      hint: expect.stringContaining('ALERT_WEBHOOK_URL'),
    });
    expect(requests).toHaveLength(1);
  });

  it.each(OBJECTIONS)('%s is not a successful ping', async (_, text) => {
    bodies = [text];
    await expect(httpHeartbeat({ url: server.url, clock: hurried }).ping('success')).rejects.toMatchObject({
      code: 'alert-unavailable',
      hint: expect.stringContaining('HEARTBEAT_URL'),
    });
  });

  it('is retried when it may pass', async () => {
    bodies = [
      'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x',
    ];
    expect(await hook().send('x', [notice], 'key')).toBe('delivered');
    expect(requests).toHaveLength(2);
  });

  it.each([
    '',
    'ok',
    '1',
    'OK',
    'Got it, thanks!',
    'workflow_started',
    '{"ok":true}',
    '{"success":true,"error":null}',
    '{"name":"spaces/x/messages/y","text":"ALERT error, invalid, HTTP error 429"}',
    '{"status":"accepted"}',
  ])('is not found in %j', async (text) => {
    bodies = [text, text];
    expect(await hook().send('x', [notice], 'key')).toBe('delivered');
    await httpHeartbeat({ url: server.url, clock: hurried }).ping('success');
  });

  it('is not awaited in an answer without an end, and only the beginning is read', async () => {
    let sent = 0;
    const endless = await serveHttp((request, response) => {
      request.resume();
      const chunk = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
      };
      response.on('drain', more);
      more();
    });
    const url = `${endless.url}/x`;
    expect(await alertWebhook({ url, clock: hurried }).send('x', [notice], 'key')).toBe('delivered');
    await httpHeartbeat({ url, clock: hurried }).ping('success');
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    await endless.stop();
  });
});

describe('the format of a message', () => {
  const bodyFor = (url: string, text = 'head\nline'): Record<string, unknown> =>
    formatBody(detectFormat(url), text, [notice]) as Record<string, unknown>;

  it.each([
    ['https://hooks.slack.com/services/T/B/x', 'slack'],
    ['https://discord.com/api/webhooks/1/x', 'discord'],
    ['https://ptb.discord.com/api/webhooks/1/x?wait=true', 'discord'],
    ['https://discordapp.com/api/webhooks/1/x', 'discord'],
    ['https://discord.com/api/webhooks/1/x/slack', 'slack'],
    ['https://prod-1.westeurope.logic.azure.com:443/workflows/x?sig=y', 'teams'],
    ['https://acme.webhook.office.com/webhookb2/x', 'teams'],
    ['https://x.16.environment.api.powerplatform.com:443/powerautomate/x', 'teams'],
    ['https://chat.googleapis.com/v1/spaces/x/messages?key=k&token=t', 'google-chat'],
    ['https://notslack.com/x', 'generic'],
    ['https://slack.com.evil.example/x', 'generic'],
  ])('for %s is %s', (url, format) => {
    expect(detectFormat(url)).toBe(format);
  });

  it('has only the fields that the receiver accepts', () => {
    expect(bodyFor('https://hooks.slack.com/x', 'a < b')).toEqual({ text: 'a &lt; b' });
    expect(bodyFor('https://chat.googleapis.com/x', 'a < b')).toEqual({ text: 'a < b' });
    expect(bodyFor('https://discord.com/x', '@everyone')).toEqual({
      content: '@everyone',
      allowed_mentions: { parse: [] },
    });
    expect(bodyFor('https://acme.webhook.office.com/x', 'head\na*b')).toMatchObject({
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          content: { type: 'AdaptiveCard', body: [{ text: 'head' }, { text: 'a\\*b' }] },
        },
      ],
    });
  });

  it('for Discord has at most 2,000 characters, is cut after a line, and says so', () => {
    const lines = Array.from({ length: 90 }, (_, at) => `ALERT ${at} ${'x'.repeat(40)}`).join('\n');
    const { content } = bodyFor('https://discord.com/x', lines) as { content: string };
    expect(content.length).toBeLessThanOrEqual(2_000);
    expect(content).toMatch(/\nALERT \d+ x{40}\n\.\.\. cut; .*alerts --env-file/);
    const one = bodyFor('https://discord.com/x', '\u{1F600}'.repeat(3_000)) as { content: string };
    expect(one.content.length).toBeLessThanOrEqual(2_000);
    expect(Buffer.from(one.content, 'utf8').toString('utf8')).toBe(one.content);
  });
});

describe('a message that may have arrived', () => {
  it.each(['no answer in time', 'a connection that breaks'])(
    '%s is unknown, and the message is not repeated',
    async (what) => {
      let asked = 0;
      const slow = await serveHttp(async (request) => {
        await whole(request);
        asked++;
        if (what !== 'no answer in time') request.socket.destroy();
      });
      const url = `${slow.url}/x`;
      expect(await alertWebhook({ url, clock: hurried, timeoutMs: 3_000 }).send('x', [notice], 'key')).toBe('unknown');
      expect(asked).toBe(1);
      await slow.stop();
    },
  );

  it('includes one behind a gateway that gave up', async () => {
    answers = [504];
    expect(await hook().send('x', [notice], 'key')).toBe('unknown');
    expect(requests).toHaveLength(1);
  });

  it.each([
    [404, /create a new one/],
    [400, /ALERT_FORMAT/],
    [302, /final address/],
  ])('a refusal with %i has a hint with the remedy', async (status, hint) => {
    answers = [status];
    await expect(hook().send('x', [notice], 'key')).rejects.toMatchObject({ hint: expect.stringMatching(hint) });
  });
});

describe('the heartbeat', () => {
  it('is pinged at its address for success, below it for start and failure', async () => {
    for (const url of [`${server.url}/ping/uuid`, `${server.url}/ping/uuid/?rid=7`]) {
      const heartbeat = httpHeartbeat({ url, clock: hurried });
      for (const signal of ['start', 'success', 'fail'] as const) await heartbeat.ping(signal);
    }
    const query = ['', '?rid=7'];
    expect(requests.map(({ method, url }) => `${method} ${url}`)).toEqual(
      query.flatMap((rest) => ['/start', '', '/fail'].map((path) => `GET /ping/uuid${path}${rest}`)),
    );
  });

  it.each(['OK (not found)', 'OK (rate limited)\n'])(
    'that is not taken, and is answered by %j, was not heard',
    async (text) => {
      bodies = [text];
      await expect(httpHeartbeat({ url: server.url, clock: hurried }).ping('log')).rejects.toMatchObject({
        code: 'alert-unavailable',
        hint: expect.stringContaining('HEARTBEAT_URL'),
      });
    },
  );

  it('is tried twice, and fails when no host answers', async () => {
    answers = [500, 500];
    const heartbeat = httpHeartbeat({ url: server.url, clock: hurried });
    await expect(heartbeat.ping('success')).rejects.toMatchObject({ code: 'alert-unavailable' });
    expect(requests).toHaveLength(2);
  });
});
