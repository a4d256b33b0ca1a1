import { afterEach, describe, expect, it } from '@jest/globals';
import { serveHttp, type HttpServer } from '../../dev/stand-in-server.js';
import { s3Store } from '../../lib/stores/s3/store.js';
import { collect } from '../contracts/object-store-listings.js';

let server: HttpServer | undefined;
afterEach(() => server?.stop());

/** A store behind a service that answers every list with this. */
async function listing(inside: string) {
  server = await serveHttp((_request, response) => {
    response.setHeader('content-type', 'application/xml');
    response.end(`<?xml version="1.0"?><ListBucketResult>${inside}</ListBucketResult>`);
  });
  const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' };
  return s3Store({ endpoint: server.url, region: 'r', credentials, bucket: 'backup', prefix: 'p' });
}

const NAME = '<Key>p/webhooks/a</Key>';
const SIZE = '<Size>3</Size>';
const TIME = '<LastModified>2026-11-22T02:00:00.000Z</LastModified>';

describe('a list', () => {
  it('gives size and time of each object', async () => {
    const store = await listing(`<Contents>${NAME}${SIZE}${TIME}</Contents>`);
    expect(await collect(store.list('webhooks/'))).toEqual([
      { name: 'webhooks/a', size: 3, modifiedAt: Date.parse('2026-11-22T02:00:00.000Z') },
    ]);
  });

  it.each([
    ['without a time', `<Contents>${NAME}${SIZE}</Contents>`],
    ['without a size', `<Contents>${NAME}${TIME}</Contents>`],
    [
      'cut off without a token for the rest',
      `<IsTruncated>true</IsTruncated><Contents>${NAME}${SIZE}${TIME}</Contents>`,
    ],
  ])('%s is no answer: an object of 1970 would be pruned, and half a list taken for the whole', async (_, inside) => {
    const store = await listing(inside);
    await expect(collect(store.list('webhooks/'))).rejects.toMatchObject({ code: 'store-unavailable' });
  });
});
