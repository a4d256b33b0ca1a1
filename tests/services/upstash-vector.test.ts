import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Index } from '@upstash/vector';
import { systemClock } from '../../lib/services/clock.js';
import { upstashVector } from '../../lib/services/upstash-vector/index.js';
import { environment } from '../../lib/app/config.js';
import { startUpstashVector, type UpstashVectorStandIn } from '../../dev/upstash-vector/index.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { towards, vector, walk } from '../contracts/vector-index-fixture.js';
import { vectorIndexContract } from '../contracts/vector-index.js';

vectorIndexContract('Upstash adapter over the stand-in', async () => {
  const standIn = await startUpstashVector();
  return {
    index: upstashVector({ url: standIn.url, token: standIn.token, clock: systemClock() }),
    close: () => standIn.stop(),
  };
});

const { UPSTASH_VECTOR_REST_URL: url, UPSTASH_VECTOR_REST_TOKEN: token } = environment();
if (url !== undefined && url !== '' && token !== undefined && token !== '') {
  vectorIndexContract('Upstash adapter over the real service', () =>
    Promise.resolve({
      index: upstashVector({ url, token, clock: systemClock() }),
      async close(namespaces) {
        const index = new Index({ url, token });
        const there = await index.listNamespaces();
        const ours = namespaces.filter((name) => there.includes(name));
        // As the adapter does: the SDK would put the name into the path as it is.
        for (const name of ours) await index.deleteNamespace(encodeURIComponent(name));
      },
    }),
  );
}

describe('the default namespace', () => {
  let standIn: UpstashVectorStandIn;
  let index: VectorIndex;
  beforeAll(async () => {
    standIn = await startUpstashVector({ dimensions: 4 });
    index = upstashVector({ url: `${standIn.url}/`, token: standIn.token, clock: systemClock() });
  });
  afterAll(() => standIn.stop());

  it('is one like any other', async () => {
    await index.upsert('', [vector('v', towards(0, 4), { title: 'default' })]);
    await index.upsert('other', [vector('v', towards(0, 4), { title: 'other' })]);
    expect(await index.fetch('', ['v'])).toMatchObject([{ metadata: { title: 'default' } }]);
    await index.remove('', 'all');
    expect(await walk(index, '', 10)).toEqual([]);
    expect(await walk(index, 'other', 10)).toEqual(['v']);
  });

  it('is named like no property that objects have', async () => {
    await index.upsert('__proto__', [vector('v', towards(0, 4))]);
    const { namespaces } = await index.info();
    expect(Object.keys(namespaces).sort()).toEqual(['', '__proto__', 'other']);
  });
});
