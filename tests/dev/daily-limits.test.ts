import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/services/clock.js';
import { geminiEmbedder } from '../../lib/services/gemini/embedder.js';
import { upstashVector } from '../../lib/services/upstash-vector/index.js';
import { startGemini } from '../../dev/gemini/index.js';
import { startUpstashVector } from '../../dev/upstash-vector/index.js';

const clock = systemClock();
const retry = { attempts: 1, baseMs: 1, capMs: 1 };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

const vectorsOf = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `v${from + at}`,
    values: new Float32Array(768).fill(0.1),
    metadata: { title: '', source: '', cluster_id: '', created_at: '' },
  }));

describe('the stand-ins', () => {
  it('accept this many vectors a day, in whole requests', async () => {
    const standIn = await startUpstashVector({ updatesPerDay: 10 });
    stops.push(() => standIn.stop());
    const index = upstashVector({ url: standIn.url, token: standIn.token, clock, retry });
    await index.upsert('p', vectorsOf(0, 8));
    await expect(index.upsert('p', vectorsOf(8, 3))).rejects.toMatchObject({ code: 'vector-quota' });
    expect(await index.fetch('p', ['v8'])).toEqual([null]);
    await index.upsert('p', vectorsOf(8, 2));
    standIn.renewDay();
    await index.upsert('p', vectorsOf(10, 10));
    standIn.setFaults({ refuseNamespace: (namespace) => namespace === 'p' });
    await expect(index.range('p', null, 10)).rejects.toMatchObject({ code: 'vector-refused' });
    expect(await index.range('q', null, 10)).toEqual({ vectors: [], next: null });
  });

  it('embed this many texts a day, and always refuse or fail on one text', async () => {
    const gemini = await startGemini({ vectors: 'hash', textsPerDay: 3 });
    stops.push(() => gemini.stop());
    const embedder = geminiEmbedder({
      apiKey: gemini.apiKey,
      baseUrl: gemini.url,
      clock,
      retry,
      model: 'gemini-embedding-2',
    });
    expect(await embedder.embed(['a', 'b'])).toHaveLength(2);
    await expect(embedder.embed(['c', 'd'])).rejects.toMatchObject({ code: 'embedder-quota' });
    gemini.renewDay();
    gemini.setFaults({ fail: (text) => text === 'bad', refuse: (text) => text === 'worse' });
    await expect(embedder.embed(['c', 'bad'])).rejects.toMatchObject({ code: 'embedder-unavailable' });
    await expect(embedder.embed(['c', 'worse'])).rejects.toMatchObject({ code: 'embedder-refused' });
    expect(await embedder.embed(['c'])).toHaveLength(1);
  });
});
