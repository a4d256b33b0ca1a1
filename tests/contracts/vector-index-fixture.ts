import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { AppError } from '../../lib/errors.js';
import type { StoredVector, VectorIndex } from '../../lib/ports/vector-index.js';
import { upstashVector, type UpstashVectorOptions } from '../../lib/services/upstash-vector/index.js';

export interface OpenVectorIndex {
  readonly index: VectorIndex;
  /** Removes the namespaces that the suite created, if `remove` leaves anything of them. */
  readonly close: (namespaces: readonly string[]) => Promise<void>;
}

export interface Fixture {
  readonly index: VectorIndex;
  readonly dimensions: number;
  /** A unique name of a namespace that ends in `suffix`. */
  readonly namespace: (suffix?: string) => string;
  readonly close: () => Promise<void>;
}

export async function toFixture({ index, close }: OpenVectorIndex): Promise<Fixture> {
  const { dimensions } = await index.info();
  const namespaces: string[] = [];
  return {
    index,
    dimensions,
    namespace(suffix = '') {
      const name = `contract-${randomUUID()}${suffix}`;
      namespaces.push(name);
      return name;
    },
    async close() {
      for (const name of namespaces) await index.remove(name, 'all');
      await close(namespaces);
    },
  };
}

/** A vector of length 1 in the plane of the first two axes, `degrees` away from the first. */
export function towards(degrees: number, dimensions: number): Float32Array {
  const values = new Float32Array(dimensions);
  values[0] = Math.cos((degrees * Math.PI) / 180);
  values[1] = Math.sin((degrees * Math.PI) / 180);
  return values;
}

export function vector(id: string, values: Float32Array, metadata: Record<string, string> = {}): StoredVector {
  return { id, values, metadata };
}

/** `count` vectors `v-0`, `v-1`, ..., spread over a quarter of a circle. */
export function fan(count: number, dimensions: number): StoredVector[] {
  return Array.from({ length: count }, (_, n) =>
    vector(`v-${n}`, towards((90 * n) / count, dimensions), { title: `Item ${n}`, cluster_id: '' }),
  );
}

/** Waits until queries see everything in the namespace; throws when that takes too long. */
export async function indexed(index: VectorIndex, namespace: string, count: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const { [namespace]: found } = (await index.info()).namespaces;
    if (found?.vectors === count && found.pending === 0) return;
    await delay(50);
  }
  throw new Error(`The namespace never came to ${count} indexed vectors`);
}

/** All ids that a walk in pages of `limit` returns, in order. */
export async function walk(index: VectorIndex, namespace: string, limit: number): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await index.range(namespace, cursor, limit);
    if (page.vectors.length > limit) throw new Error('a page over its limit');
    ids.push(...page.vectors.map(({ id }) => id));
    cursor = page.next;
  } while (cursor !== null);
  return ids;
}

export async function failure(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as AppError,
  );
  if (error === undefined) throw new Error('the call did not fail');
  return error;
}

export const NOW = Date.parse('2026-11-20T02:00:00Z');
/** Values that the tests of faults send and no error may contain. */
export const SECRETS = ['secret-token', 'secret-title', 'secret-id', 'secret-project'];

export interface Rig {
  readonly index: VectorIndex;
  /** The requested sleeps, in milliseconds. */
  readonly slept: readonly number[];
}

/** The adapter with the token `secret-token`, three tries, and a stopped clock that records requested sleeps. */
export function vectorRig(url: string, options: Partial<UpstashVectorOptions> = {}): Rig {
  const slept: number[] = [];
  const sleep = (ms: number): Promise<void> => Promise.resolve(void slept.push(ms));
  const retry = { attempts: 3, baseMs: 10, capMs: 5_000 };
  const index = upstashVector({ url, token: 'secret-token', clock: { now: () => NOW, sleep }, retry, ...options });
  return { index, slept };
}

/** The failure of a call, checked to contain no secret. */
export async function discreet(call: Promise<unknown>): Promise<AppError> {
  const error = await failure(call);
  const told = `${error.message} ${error.hint} ${String(error.cause)} ${JSON.stringify(error)} ${error.stack ?? ''}`;
  for (const secret of SECRETS) expect(told).not.toContain(secret);
  expect(error.hint).not.toBe('');
  return error;
}
