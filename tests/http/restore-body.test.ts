import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { openWebhookRig, SNAPSHOT, type WebhookRig } from './webhook-rig.js';

const LEAST = { snapshot: 'latest', scope: { all: true } };

let rig: WebhookRig;
beforeEach(async () => (rig = await openWebhookRig({ queued: true })));
afterEach(() => rig.close());

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
