import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openWebhookRig, type WebhookRig } from './webhook-rig.js';

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
