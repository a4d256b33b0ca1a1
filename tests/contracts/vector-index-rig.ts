import { expect } from '@jest/globals';
import { upstashVector, type UpstashVectorOptions } from '../../lib/services/upstash-vector/index.js';
import type { AppError } from '../../lib/errors.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { failure } from './vector-index-fixture.js';

export const NOW = Date.parse('2026-11-20T02:00:00Z');
/** What the tests of faults send, and no error may show. */
export const SECRETS = ['secret-token', 'secret-title', 'secret-id', 'secret-project'];

export interface Rig {
  readonly index: VectorIndex;
  /** How long it would have slept, each time, in milliseconds. */
  readonly slept: readonly number[];
}

/** The adapter with the token `secret-token`, three tries, and a clock that stands still and notes how long it would sleep. */
export function vectorRig(url: string, options: Partial<UpstashVectorOptions> = {}): Rig {
  const slept: number[] = [];
  const sleep = (ms: number): Promise<void> => Promise.resolve(void slept.push(ms));
  const retry = { attempts: 3, baseMs: 10, capMs: 5_000 };
  const index = upstashVector({ url, token: 'secret-token', clock: { now: () => NOW, sleep }, retry, ...options });
  return { index, slept };
}

/** The failure of a call, which tells nothing that it must not. */
export async function discreet(call: Promise<unknown>): Promise<AppError> {
  const error = await failure(call);
  const told = `${error.message} ${error.hint} ${String(error.cause)} ${JSON.stringify(error)} ${error.stack ?? ''}`;
  for (const secret of SECRETS) expect(told).not.toContain(secret);
  expect(error.hint).not.toBe('');
  return error;
}
