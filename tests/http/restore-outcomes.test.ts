import { EventEmitter, once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError } from '../../lib/errors.js';
import { openWebhookRig, SNAPSHOT, type RigOptions, type WebhookRig, type Work, usedName } from './webhook-rig.js';

const WHOLE = { snapshot: 'latest', scope: { all: true }, confirm: SNAPSHOT };

let rig: WebhookRig;
let onPublish: NonNullable<RigOptions['onPublish']>;
let work: Work;
beforeEach(() => {
  onPublish = () => undefined;
  work = () => Promise.resolve('succeeded');
});
afterEach(() => rig.close());

const open = async (queued: boolean): Promise<void> => {
  rig = await openWebhookRig({ queued, onPublish: (message) => onPublish(message), work: () => work() });
};

async function runIdOf(response: Response): Promise<string> {
  expect(response.status).toBe(202);
  return ((await response.json()) as { runId: string }).runId;
}

describe('a restore over the queue', () => {
  beforeEach(() => open(true));

  it('is answered with the run that holds the lease', async () => {
    const id = await runIdOf(await rig.send(WHOLE, 'msg_1'));
    const response = await rig.send(WHOLE, 'msg_2');
    const problem = (await response.json()) as { detail: string };
    expect(response.status).toBe(409);
    expect(problem).toMatchObject({ code: 'locked' });
    expect(problem.detail).toContain(id);
    expect(rig.published).toHaveLength(1);
  });

  it('fails if the queue refuses it, and does not block the next', async () => {
    onPublish = () => {
      throw new AppError('queue-unavailable', 'The queue is down', { hint: 'Wait.', transient: true });
    };
    const refused = await rig.send(WHOLE, 'msg_1');
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'queue-unavailable' });
    const { run } = await rig.read(usedName('msg_1'));
    expect(await rig.read(`runs/${String(run)}/run.json`)).toMatchObject({
      state: 'failed',
      error: { code: 'queue-unavailable' },
    });
    onPublish = () => undefined;
    await runIdOf(await rig.send(WHOLE, 'msg_2'));
  });

  it('continues if the queue accepted it although its answer was an error', async () => {
    const attempt = new EventEmitter();
    let delivered: Promise<unknown> = Promise.resolve();
    work = async () => {
      const mayEnd = once(attempt, 'may-end');
      attempt.emit('begun');
      await mayEnd;
      return 'succeeded';
    };
    onPublish = async ({ body }) => {
      const begun = once(attempt, 'begun');
      delivered = rig.engine.deliver(body, rig.budget());
      await begun;
      throw new AppError('queue-unavailable', 'The answer was lost', { hint: 'Wait.', transient: true });
    };
    const id = await runIdOf(await rig.send(WHOLE, 'msg_1'));
    attempt.emit('may-end');
    await delivered;
    expect(await rig.read(`runs/${id}/run.json`)).toMatchObject({ state: 'succeeded' });
  });
});

describe('a restore without a queue', () => {
  beforeEach(() => open(false));

  it.each([
    [200, 'succeeded'],
    [207, 'incomplete'],
  ] as const)('does the work within the call: %d for %s', async (status, state) => {
    work = () => Promise.resolve(state);
    const response = await rig.send(WHOLE);
    const view = (await response.json()) as { runId: string };
    expect(response.status).toBe(status);
    expect(view).toMatchObject({ kind: 'restore', state, input: { snapshot: SNAPSHOT, trigger: 'webhook' } });
    expect(response.headers.get('location')).toBe(`/api/runs/${view.runId}`);
  });

  it('answers with the status of what it failed on', async () => {
    work = () => Promise.reject(new AppError('redis-denied', 'The token is wrong', { hint: 'Set the right one.' }));
    const response = await rig.send(WHOLE);
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ state: 'failed', error: { code: 'redis-denied' } });
  });
});
