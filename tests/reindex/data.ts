import { expect } from '@jest/globals';
import type { Redis } from 'ioredis';
import type { ReindexBench } from './bench.js';
import { storedIn } from './outcome.js';

export interface Item {
  readonly title?: string;
  readonly body?: string;
  readonly raw_text?: string;
  readonly source?: string;
  readonly created_at?: string;
}

export const CREATED = '2026-03-01T09:30:00.250000+00:00';

/** Items `item-000`, `item-001`, ... whose texts differ. */
export function someItems(count: number, from = 0): Record<string, Item> {
  const numbers = Array.from({ length: count }, (_, at) => String(from + at).padStart(3, '0'));
  return Object.fromEntries(
    numbers.map((number) => [
      `item-${number}`,
      { title: `Title ${number}`, body: `What happened in case ${number}`, source: 'manual', created_at: CREATED },
    ]),
  );
}

export async function putProject(
  redis: Redis,
  project: string,
  items: Readonly<Record<string, Item>>,
  clusters: Readonly<Record<string, readonly string[]>> = {},
): Promise<void> {
  const pipeline = redis.pipeline();
  pipeline.hset(`project:${project}`, { id: project, name: project, user_id: 'user' });
  for (const [id, item] of Object.entries(items)) {
    pipeline.hset(`feedback:${project}:${id}`, { id, project_id: project, ...item });
    pipeline.zadd(`feedback:created:${project}`, 1_772_357_400.25, id);
  }
  let score = 1_772_000_000;
  for (const [cluster, members] of Object.entries(clusters)) {
    pipeline.zadd(`clusters:${project}:all`, (score += 0.5), cluster);
    pipeline.hset(`cluster:${project}:${cluster}`, { id: cluster, created_at: CREATED });
    if (members.length > 0) pipeline.sadd(`cluster:${project}:${cluster}:items`, ...members);
  }
  await pipeline.exec();
}

/** A leftover vector of an earlier re-index. */
export async function leaveVector(bench: ReindexBench, project: string, id: string, title = 'old'): Promise<void> {
  const values = Float32Array.from({ length: 768 }, (_, at) => (at === 0 ? 1 : 0));
  const metadata = { title, source: 'manual', cluster_id: 'gone', created_at: '' };
  await bench.ports.vectors.upsert(project, [{ id, values, metadata }]);
}

/** The embedded text of such items, which have no blanks at their ends and are not cut. */
export function textOf({ title = '', body = '', raw_text = '' }: Item): string {
  return [title, body === '' ? raw_text : body].filter((part) => part !== '').join('\n\n');
}

/** Fails unless a namespace holds exactly these items, each with its own embedding, and their clusters. */
export async function expectIndex(
  bench: ReindexBench,
  project: string,
  items: Readonly<Record<string, Item>>,
  clusterOf: Readonly<Record<string, string>> = {},
): Promise<void> {
  const stored = await storedIn(bench.ports.vectors, project);
  expect([...stored.keys()].sort()).toEqual(Object.keys(items).sort());
  const ids = Object.keys(items);
  const wanted = await embeddings(
    bench,
    ids.map((id) => textOf(items[id] ?? {})),
  );
  for (const [at, id] of ids.entries()) {
    const { title = '', source = '', created_at = '' } = items[id] ?? {};
    const found = stored.get(id);
    expect([id, found?.metadata]).toEqual([id, { title, source, cluster_id: clusterOf[id] ?? '', created_at }]);
    const cosine = wanted[at]?.reduce((sum, value, index) => sum + value * (found?.values[index] ?? 0), 0) ?? 0;
    expect([id, cosine]).toEqual([id, expect.closeTo(1, 4)]);
  }
}

/** Embeddings of unit length, requested from the stand-in without the product's code and not counted. */
async function embeddings(bench: ReindexBench, texts: readonly string[]): Promise<number[][]> {
  const { twin } = bench;
  const vectors: number[][] = [];
  for (let at = 0; at < texts.length; at += 100) {
    const requests = texts.slice(at, at + 100).map((text) => ({
      model: 'models/gemini-embedding-001',
      content: { parts: [{ text }] },
      outputDimensionality: 768,
    }));
    const answer = await fetch(`${twin.url}/v1beta/models/gemini-embedding-001:batchEmbedContents`, {
      method: 'POST',
      headers: { 'x-goog-api-key': twin.apiKey },
      body: JSON.stringify({ requests }),
    });
    const { embeddings: some } = (await answer.json()) as { embeddings: { values: number[] }[] };
    vectors.push(...some.map(({ values }) => unit(values)));
  }
  return vectors;
}

function unit(values: readonly number[]): number[] {
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

/** The same object without some of its fields. */
export function without<T>(record: Readonly<Record<string, T>>, ...names: readonly string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}
