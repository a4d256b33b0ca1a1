import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { GONE, openWebhookRig, SECRETS, SNAPSHOT, type Headers, type WebhookRig, usedName } from './webhook-rig.js';

const WHOLE = { snapshot: 'latest', scope: { all: true }, confirm: SNAPSHOT };
const TEXT = JSON.stringify(WHOLE);

let rig: WebhookRig;
beforeEach(async () => (rig = await openWebhookRig({ queued: true })));
afterEach(() => rig.close());

/** That an answer is a problem document of this code, and that nothing was written. */
async function expectRefused(response: Response, status: number, code: string): Promise<string> {
  const text = await response.text();
  expect(JSON.parse(text)).toMatchObject({ code, status, detail: expect.any(String), hint: expect.any(String) });
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await rig.names()).toEqual([]);
  expect(rig.published).toEqual([]);
  return text;
}

async function runIdOf(response: Response): Promise<string> {
  expect(response.status).toBe(202);
  return ((await response.json()) as { runId: string }).runId;
}

describe('POST /api/webhooks/restore', () => {
  it('hands a restore over to the queue and answers with its run', async () => {
    const response = await rig.send({ ...WHOLE, dryRun: true }, 'msg_1');
    const answer = (await response.json()) as { runId: string };
    expect(response.status).toBe(202);
    expect(answer).toEqual({ runId: answer.runId, state: 'running', snapshot: SNAPSHOT, dryRun: true });
    expect(response.headers.get('location')).toBe(`/api/runs/${answer.runId}`);
    expect(rig.published.map(({ body }) => JSON.parse(body) as unknown)).toEqual([{ run: answer.runId, leg: 0 }]);
    expect(await rig.read(`runs/${answer.runId}/run.json`)).toMatchObject({ kind: 'restore', state: 'running' });
    expect(await rig.read(usedName('msg_1'))).toMatchObject({ run: answer.runId });
  });

  it('accepts either of two secrets', async () => {
    for (const [index, secret] of SECRETS.entries()) {
      const body = JSON.stringify({ ...WHOLE, snapshot: GONE });
      expect((await rig.post(body, rig.sign(body, `msg_${index}`, secret))).status).toBe(404);
    }
  });

  it('refuses query parameters, which are not signed', async () => {
    const request = new Request(`${rig.url}?dryRun=true`, { method: 'POST', body: TEXT, headers: rig.sign(TEXT) });
    await expectRefused(await rig.handle(request), 422, 'invalid');
  });

  it('keeps secrets, bodies and signatures out of the log', async () => {
    await rig.send({ ...WHOLE, confirm: 'confirm-me' }, 'msg_1');
    await rig.send({ ...WHOLE, confirm: 'confirm-me' }, 'msg_1');
    await rig.post(TEXT, { ...rig.sign(TEXT), 'webhook-signature': 'v1,c2lnbmF0dXJl' });
    expect(rig.logged()).toContain('"code":"replayed"');
    for (const word of [...SECRETS, 'confirm-me', 'c2lnbmF0dXJl']) expect(rig.logged()).not.toContain(word);
  });
});

describe('a request that is not genuine', () => {
  it.each<[string, () => Headers]>([
    ['signed with another secret', () => rig.sign(TEXT, 'msg_1', `whsec_${randomBytes(32).toString('base64')}`)],
    ['signed for another body', () => rig.sign(`${TEXT} `)],
    ['with the id of another', () => ({ ...rig.sign(TEXT), 'webhook-id': 'msg_2' })],
    ['with the time of another', () => ({ ...rig.sign(TEXT), 'webhook-timestamp': '1795312799' })],
  ])('is refused when it is %s', async (_, headers) => {
    await expectRefused(await rig.post(TEXT, headers()), 401, 'signature-wrong');
  });

  it.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('is refused without %s', async (header) => {
    const rest = Object.fromEntries(Object.entries(rig.sign(TEXT)).filter(([name]) => name !== header));
    await expectRefused(await rig.post(TEXT, rest), 401, 'signature-missing');
  });

  it.each([
    ['webhook-id', 'a.b'],
    ['webhook-timestamp', 'yesterday'],
    ['webhook-signature', 'sha256=0011'],
  ])('is refused with a malformed %s', async (header, value) => {
    await expectRefused(await rig.post(TEXT, { ...rig.sign(TEXT), [header]: value }), 401, 'signature-missing');
  });

  it.each([-301_000, 301_000])('is refused when it was signed %d ms away', async (ms) => {
    const headers = rig.sign(TEXT);
    const moved = String(Number(headers['webhook-timestamp']) + ms / 1000);
    await rig.clock.advance(ms);
    const body = rig.sign(TEXT);
    expect(body['webhook-timestamp']).toBe(moved);
    await rig.clock.advance(-ms);
    await expectRefused(await rig.post(TEXT, body), 401, 'signature-stale');
  });

  it('is refused before its body is parsed, so that errors reveal nothing', async () => {
    await expectRefused(await rig.post('{"mode":"wrong"}', rig.sign('{}')), 401, 'signature-wrong');
  });
});

describe('a webhook id', () => {
  it('is used once, also with a new signature, and names the run that it started', async () => {
    const id = await runIdOf(await rig.send(WHOLE, 'msg_1'));
    await rig.clock.advance(10_000);
    const again = await rig.send(WHOLE, 'msg_1');
    const problem = (await again.json()) as { detail: string; code: string };
    expect([again.status, problem.code]).toEqual([409, 'replayed']);
    expect(problem.detail).toContain(id);
    expect((await rig.names()).filter((name) => name.startsWith('runs/'))).toEqual([`runs/${id}/run.json`]);
    expect(rig.published).toHaveLength(1);
  });

  it('starts one run when the same request comes many times at once', async () => {
    const headers = rig.sign(TEXT);
    const answers = await Promise.all(Array.from({ length: 8 }, () => rig.post(TEXT, headers)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([202, 409, 409, 409, 409, 409, 409, 409]);
    expect((await rig.names()).filter((name) => name.startsWith('runs/'))).toHaveLength(1);
    expect(rig.published).toHaveLength(1);
  });

  it('can be used again only by a request that never began', async () => {
    await expectRefused(await rig.send({ ...WHOLE, snapshot: GONE }, 'msg_1'), 404, 'not-found');
    await runIdOf(await rig.send(WHOLE, 'msg_1'));
    const locked = await rig.send(WHOLE, 'msg_2');
    expect(await locked.json()).toMatchObject({ code: 'locked' });
    expect(await (await rig.send(WHOLE, 'msg_2')).json()).toMatchObject({ code: 'replayed' });
  });
});
