import { connect } from '../../lib/app/connect.js';
import { claimLease, releaseLease } from '../../lib/runs/lease.js';
import type { NightlyStack } from './nightly-stack.js';

/** What a call of an operator answers. */
export interface Said {
  readonly [field: string]: unknown;
  readonly runId: string;
  readonly code?: string;
  readonly hint?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly said: Said;
}

/** Posts with the admin token; a text goes as it is. */
export async function post(on: NightlyStack, path: string, body: unknown): Promise<Answer> {
  const answer = await on.call(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${on.stack.env['ADMIN_TOKEN'] ?? ''}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: answer.status, headers: answer.headers, said: (await answer.json()) as Said };
}

/** A run that is in progress somewhere else. */
export const AT_WORK = '20261122T020000Z-00abcd';

/** Acts while another run has the lease. */
export async function whileAtWork<T>({ stack }: NightlyStack, lease: string, act: () => Promise<T>): Promise<T> {
  const ports = connect(stack.env, ['clock', 'store']);
  const claim = await claimLease(ports, lease, AT_WORK, { attemptTtlMs: 60_000, holdMs: 60_000 });
  if (!claim.granted) throw new Error(`held by ${claim.holder}`);
  try {
    return await act();
  } finally {
    await releaseLease(ports, claim.lease);
  }
}
