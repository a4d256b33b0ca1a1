import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openWebhookRig, type WebhookRig, SNAPSHOT } from './webhook-rig.js';
import fc from '../support/fast-check.js';

const LIMIT = 16 * 1024;

let rig: WebhookRig;
beforeEach(async () => (rig = await openWebhookRig({ queued: true })));
afterEach(() => rig.close());

describe('the size of a body', () => {
  const padded = (bytes: number): string => {
    const text = JSON.stringify({ snapshot: 'latest', scope: { all: true } });
    return text + ' '.repeat(bytes - text.length);
  };

  it('may come up to the limit, counted in bytes', async () => {
    expect((await rig.post(padded(LIMIT), rig.sign(padded(LIMIT)))).status).toBe(202);
  });

  it('may not pass it', async () => {
    const response = await rig.post(padded(LIMIT + 1), rig.sign(padded(LIMIT + 1)));
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'too-large', status: 413 });
    expect(await rig.names()).toEqual([]);
  });

  it('is counted if it is not declared', async () => {
    const body = new Blob([padded(LIMIT + 1)]).stream();
    const response = await fetch(rig.url, { method: 'POST', body, duplex: 'half', headers: rig.sign('') });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'too-large' });
    expect(await rig.names()).toEqual([]);
  });

  it.each([
    ['at once, where it is declared', { 'content-length': String(LIMIT + 1) }, 0],
    ['soon, where it is not', {}, LIMIT + 1],
    ['soon, where what is declared is not true', { 'content-length': '10' }, LIMIT + 1],
  ])('ends the reading of an endless body %s', async (_, headers, most) => {
    let given = 0;
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (stream) => {
          given += 1024;
          stream.enqueue(new Uint8Array(1024).fill(0x20));
        },
        cancel: () => {
          cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    const response = await rig.handle(new Request(rig.url, { method: 'POST', body, headers, duplex: 'half' }));
    expect(response.status).toBe(413);
    expect(given).toBeLessThanOrEqual(most === 0 ? 0 : most + 1024);
    expect(cancelled).toBe(most > 0);
  });
});

describe('a body that is not text', () => {
  const post = (body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>): Promise<Response> =>
    rig.handle(new Request(rig.url, { method: 'POST', body, headers: rig.sign('{}'), duplex: 'half' }));

  it('is refused when it is not UTF-8', async () => {
    const response = await post(new Uint8Array([0x22, 0xff, 0x22]));
    expect(await response.json()).toMatchObject({ code: 'usage', detail: 'The body is not UTF-8', status: 400 });
  });

  it('is refused if it is interrupted', async () => {
    const broken = new ReadableStream<Uint8Array>({ pull: (stream) => stream.error(new Error('reset')) });
    expect(await (await post(broken)).json()).toMatchObject({ code: 'usage', detail: 'The body was interrupted' });
  });
});

const LEAST = { snapshot: 'latest', scope: { all: true } };

interface Problem {
  readonly code: string;
  readonly detail: string;
  readonly hint: string;
}

/** The problem that a signed body is refused with, after which there is nothing in the store. */
async function refusal(body: string): Promise<Problem & { readonly status: number }> {
  const response = await rig.post(body, rig.sign(body));
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await rig.names()).toEqual([]);
  expect(rig.asked).toEqual([]);
  return { ...((await response.json()) as Problem), status: response.status };
}

describe('the body of a restore request', () => {
  it('may be short, with safe defaults', async () => {
    expect((await rig.send(LEAST)).status).toBe(202);
    expect(rig.asked).toEqual([
      {
        snapshot: 'latest',
        at: null,
        scope: { all: true },
        mode: 'replace',
        expiry: 'keep',
        dryRun: false,
        target: null,
        safety: true,
        settle: null,
        confirm: null,
        allowIncomplete: false,
        reindex: true,
        fromSource: false,
        trigger: 'webhook',
      },
    ]);
  });

  it('may have every field', async () => {
    const body = {
      snapshot: 'latest',
      at: '2026-11-22T02:00:00+01:00',
      scope: { project: 'p1' },
      mode: 'merge',
      expiry: 'shift',
      dryRun: true,
      target: 'staging',
      safety: false,
      settle: false,
      confirm: SNAPSHOT,
      allowIncomplete: true,
      reindex: false,
      fromSource: true,
    };
    expect((await rig.send(body)).status).toBe(202);
    expect(rig.asked).toEqual([{ ...body, trigger: 'webhook' }]);
  });

  it.each<[string, object]>([
    ['snapshot', { snapshot: undefined }],
    ['snapshot', { snapshot: 'wrong-value' }],
    ['snapshot', { snapshot: '../20261122T020000Z-00abcd' }],
    ['snapshot', { snapshot: null }],
    ['at', { at: 'wrong-value' }],
    ['at', { at: '2026-11-22T02:00:00' }],
    ['at', { at: 1795312800 }],
    ['at', { snapshot: SNAPSHOT, at: '2026-11-22T02:00:00Z' }],
    ['scope', { scope: undefined }],
    ['scope', { scope: 'wrong-value' }],
    ['scope', { scope: {} }],
    ['scope', { scope: { all: false } }],
    ['scope', { scope: { all: true, project: 'wrong-value' } }],
    ['scope', { scope: { all: true, more: 'wrong-value' } }],
    ['scope', { scope: { project: '' } }],
    ['scope', { scope: { keys: [], families: [] } }],
    ['scope', { scope: { keys: 'a' } }],
    ['scope', { scope: { items: [] } }],
    ['scope', { scope: { items: [{ project: 'p', id: '1' }], keys: ['a'] } }],
    ['scope', { scope: { project: 'x'.repeat(513) } }],
    ['mode', { mode: 'wrong-value' }],
    ['mode', { mode: null }],
    ['expiry', { expiry: 'wrong-value' }],
    ['dryRun', { dryRun: 'true' }],
    ['dryRun', { dryRun: 1 }],
    ['target', { target: '' }],
    ['target', { target: 7 }],
    ['safety', { safety: 'wrong-value' }],
    ['settle', { settle: 0 }],
    ['confirm', { confirm: true }],
    ['confirm', { confirm: 'x'.repeat(513) }],
    ['allowIncomplete', { allowIncomplete: 'yes' }],
  ])('is refused for its %s: %j', async (field, changes) => {
    const { status, code, detail, hint } = await refusal(JSON.stringify({ ...LEAST, ...changes }));
    expect([status, code]).toEqual([422, 'invalid']);
    expect(detail).toMatch(new RegExp(`: ${field} must be [^;]+$`));
    expect(detail + hint).not.toMatch(/wrong-value|xxx|undefined/);
  });

  it('is answered with all invalid fields at once, by name', async () => {
    const { detail } = await refusal(JSON.stringify({ snapshot: 3, scope: 4, mode: 'secret', 'no such': 'secret' }));
    expect(detail.split('; ')).toHaveLength(4);
    expect(detail).toContain('there is no field "no such"');
    expect(detail).toContain('mode must be "replace" or "merge" or "missing"');
    expect(detail).not.toContain('secret');
  });

  it.each(['dry_run', '__proto__', 'constructor', 'trigger', 'Mode'])('has no field %s', async (field) => {
    const body = `{"snapshot":"latest","scope":{"all":true},${JSON.stringify(field)}:true}`;
    expect((await refusal(body)).detail).toContain(`there is no field ${JSON.stringify(field)}`);
  });

  it('shortens long and numerous field names', async () => {
    const fields = Array.from({ length: 50 }, (_, at) => [`${at}-${'x'.repeat(200)}`, 1]);
    const { detail } = await refusal(JSON.stringify({ ...LEAST, ...Object.fromEntries(fields) }));
    expect(detail.length).toBeLessThan(600);
  });

  it.each(['', '{', 'null,', "{'snapshot': 'latest'}", '\ufeff{}', 'snapshot=latest'])(
    'must be JSON, which %j is not',
    async (body) => {
      expect(await refusal(body)).toMatchObject({ status: 400, code: 'usage', detail: 'The body is not JSON' });
    },
  );

  it.each(['null', '[]', '"latest"', '3'])('must be an object, which %s is not', async (body) => {
    expect(await refusal(body)).toMatchObject({ status: 422, code: 'invalid' });
  });

  it('is refused with a clear error, whatever JSON it is', async () => {
    const field = fc.constantFrom('snapshot', 'scope', 'mode', 'at', 'target', 'confirm', 'x');
    const body = fc.oneof(fc.dictionary(field, fc.jsonValue()), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(body, async (value) => {
        expect(await refusal(JSON.stringify(value))).toMatchObject({ status: 422, code: 'invalid' });
      }),
      { numRuns: 60 },
    );
  });
});
