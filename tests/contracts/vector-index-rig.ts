import { expect } from '@jest/globals';
import { upstashVector, type UpstashVectorOptions } from '../../lib/services/upstash-vector/index.js';
import type { AppError } from '../../lib/errors.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { failure } from './vector-index-fixture.js';

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
