import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { upstashDeveloper, type UpstashDeveloperOptions } from '../../lib/services/upstash-developer.js';
import { serveHttp } from '../../dev/stand-in-server.js';
import { startUpstashAccount, type UpstashAccountStandIn } from '../../dev/upstash-account/index.js';
import type { UpstashAccount } from '../../lib/ports/upstash-account.js';
import { quickClock } from '../support/clocks.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

const ID = '96ad0856-03b1-4ee7-9666-e81abd0349e1';
const FREE = 'f0000000-0000-4000-8000-000000000000';

let database: TestDatabase;
let standIn: UpstashAccountStandIn;
let account: UpstashAccount;
beforeAll(async () => {
  database = await startTestDatabase();
  standIn = await startUpstashAccount({
    databases: [
      { id: ID, name: 'soulcaster', endpoint: 'beloved-stallion-58500', redisUrl: database.url },
      { id: FREE, name: 'free', endpoint: 'free-1', redisUrl: database.url, plan: 'free' },
    ],
  });
  account = open();
});
afterEach(async () => {
  await standIn.idle();
  standIn.setFaults({ reject: null, hang: 0, loseReply: 0 });
});
afterAll(async () => {
  await standIn.stop();
  await database.stop();
});

function open(changes: Partial<UpstashDeveloperOptions> = {}): UpstashAccount {
  const { url, email, apiKey } = standIn;
  return upstashDeveloper({ url, email, apiKey, clock: quickClock(), ...changes });
}

describe('a request that is refused', () => {
  it.each<[string, string, RegExp, (on: UpstashAccount) => Promise<unknown>]>([
    ['a database of others', 'not-found', /404/, (on) => on.backups('67b6af16-acb2-4f00-9e38-f6cb9bee800d')],
    ['no such backup', 'not-found', /404/, (on) => on.deleteBackup(ID, 'none')],
    ['a plan without backups', 'upstash-plan', /plan of this database/, (on) => on.createBackup(FREE, 'x')],
    ['a plan without daily backups', 'upstash-plan', /plan of this database/, (on) => on.setDailyBackup(FREE, true)],
    ['an id that is none', 'usage', /dots/, (on) => on.database('..')],
  ])('%s: %s', async (_what, code, message, act) => {
    await expect(act(account)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
      transient: false,
    });
  });

  it.each<[number, string, boolean, string]>([
    [400, 'upstash-refused', false, '"invalid"'],
    [400, 'upstash-plan', false, '{"error":"Upgrade your plan first"}'],
    [402, 'upstash-plan', false, ''],
    [401, 'upstash-denied', false, 'Unauthorized'],
    [403, 'upstash-denied', false, '"Forbidden"'],
    [404, 'not-found', false, '<html>'],
    [409, 'upstash-refused', false, ''],
    [429, 'upstash-limit', true, '"slow down, or upgrade"'],
    [500, 'upstash-unavailable', true, '"upgrade your plan"'],
    [503, 'upstash-unavailable', true, ''],
    [302, 'upstash-unavailable', false, ''],
    [200, 'upstash-unavailable', false, '{"databases":[]}'],
    [200, 'upstash-unavailable', false, '<html>hotel network</html>'],
  ])('by status %d is %s, and its text is not repeated', async (status, code, transient, body) => {
    standIn.setFaults({ reject: { status, body: body.replace('plan', 'plan secret-word'), hits: 99 } });
    const error: unknown = await open({ retry: { attempts: 1, baseMs: 1, capMs: 1 } })
      .backups(ID)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, transient });
    expect(JSON.stringify([(error as Error).message, (error as { hint: string }).hint])).not.toMatch(
      /secret-word|html/,
    );
  });

  it('says how long to wait', async () => {
    standIn.setFaults({ reject: { status: 429, headers: { 'retry-after': '60' }, hits: 99 } });
    await expect(account.database(ID)).rejects.toMatchObject({ code: 'upstash-limit', retryAfterMs: 60_000 });
  });

  it('distinguishes a wrong key from a read-only key', async () => {
    const wrong = open({ apiKey: 'wrong-key' });
    await expect(wrong.database(ID)).rejects.toMatchObject({ code: 'upstash-denied', message: /401/ });
    const reader = open({ apiKey: standIn.readOnlyKey });
    expect((await reader.database(ID)).id).toBe(ID);
    await expect(reader.createBackup(ID, 'x')).rejects.toMatchObject({
      code: 'upstash-denied',
      message: expect.stringContaining('403'),
      hint: expect.stringContaining('read-only'),
    });
  });
});

describe('a request that gets no answer', () => {
  it('is sent again when it reads', async () => {
    const before = standIn.requestCount('database');
    standIn.setFaults({ reject: { status: 503, hits: 2 } });
    expect((await account.database(ID)).id).toBe(ID);
    expect(standIn.requestCount('database')).toBe(before + 3);
  });

  it.each(['create-backup', 'restore-backup'])('is sent once: %s', async (endpoint) => {
    const before = standIn.requestCount(endpoint);
    standIn.setFaults({ loseReply: (request) => request.endpoint === endpoint });
    const act = endpoint === 'create-backup' ? account.createBackup(ID, 'lost') : account.restoreBackup(ID, 'none');
    await expect(act).rejects.toMatchObject({ code: 'upstash-unavailable', transient: true });
    expect(standIn.requestCount(endpoint)).toBe(before + 1);
  });

  it('fails after the timeout, and when no host answers', async () => {
    standIn.setFaults({ hang: 99 });
    const retry = { attempts: 1, baseMs: 1, capMs: 1 };
    await expect(open({ timeoutMs: 50, retry }).database(ID)).rejects.toMatchObject({ code: 'upstash-unavailable' });
    await expect(open({ url: 'http://127.0.0.1:1', retry }).database(ID)).rejects.toMatchObject({
      code: 'upstash-unavailable',
      message: expect.not.stringContaining('127.0.0.1'),
    });
  });

  it('does not send its key to another host', async () => {
    let heard = 0;
    const elsewhere = await serveHttp((_request, response) => {
      heard += 1;
      response.end('[]');
    });
    const location = `${elsewhere.url}/`;
    standIn.setFaults({ reject: { status: 307, headers: { location }, hits: 99 } });
    await expect(account.backups(ID)).rejects.toMatchObject({ code: 'upstash-unavailable' });
    expect(heard).toBe(0);
    await elsewhere.stop();
  });
});
