import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunView } from './nightly-stack.js';
import { expectAsBefore, restoreStack, workInFlight, type RestoreStack } from './restore-stack.js';

let bench: RestoreStack;
let snapshot: string;

const everything = (more: object = {}) => ({ snapshot, scope: { all: true }, confirm: snapshot, ...more });
const manifests = async (): Promise<string[]> =>
  (await bench.objects('snapshots/')).filter((name) => name.endsWith('/manifest.json'));

interface Said {
  readonly runId?: string;
  readonly code?: string;
  readonly detail?: string;
}

beforeAll(async () => {
  bench = await restoreStack({ items: 60, mixed: 200 });
  snapshot = await bench.snapshot();
});

afterAll(() => bench.stop());

/** Two requests at the same moment: what the one that was let in and the one that was refused are told. */
async function bothAtOnce(ids: readonly [string, string]): Promise<{ taken: Said; refused: Said }> {
  const answers = await Promise.all(ids.map((id) => bench.send(everything(), id)));
  expect(answers.map(({ status }) => status).sort()).toEqual([202, 409]);
  const [taken = {}, refused = {}] = await Promise.all(
    answers.sort((a, b) => a.status - b.status).map((answer) => answer.json() as Promise<Said>),
  );
  return { taken, refused };
}

describe('what comes while a restore is in progress', () => {
  it('is refused when it is another restore, and told which run is in the way', async () => {
    const before = await bench.dump();
    const inFlight = await workInFlight(bench.redis, before);
    await bench.redis.flushall();
    const { taken, refused } = await bothAtOnce(['one', 'other']);
    expect(refused.code).toBe('locked');
    expect(refused.detail).toContain(taken.runId);
    const run = await bench.finished(taken.runId ?? '');
    expect(run).toMatchObject({ state: 'succeeded', result: { undo: run.runId } });
    await expectAsBefore(bench, before, inFlight);
    expect(await bench.leftovers(run.runId)).toEqual([]);
  });

  it('is refused when it is the same request', async () => {
    const { taken, refused } = await bothAtOnce(['same', 'same']);
    expect(refused.code).toBe('replayed');
    expect(await bench.finished(taken.runId ?? '')).toMatchObject({ state: 'succeeded' });
  });

  it('takes no snapshot when it is the nightly cron or an operator', async () => {
    const before = await manifests();
    await bench.redis.flushall();
    await bench.redis.set('wrong', 'value');
    const id = await bench.begin(everything());
    const [cron, operator] = await Promise.all([bench.cron(), bench.admin('/api/backup', 'POST')]);
    expect([cron.status, await cron.json()]).toEqual([
      200,
      expect.objectContaining({ state: 'in-progress', runId: id }),
    ]);
    expect([operator.status, await operator.json()]).toEqual([
      409,
      expect.objectContaining({ code: 'locked', detail: expect.stringContaining(id) as unknown }),
    ]);
    expect(await bench.finished(id)).toMatchObject({ state: 'succeeded', result: { undo: id } });
    expect(await manifests()).toEqual([...before, `snapshots/${id}/manifest.json`].sort());
  });

  it('may look all the same: a dry run waits for nobody', async () => {
    await bench.redis.flushall();
    const id = await bench.begin(everything());
    const look: RunView = await bench.restore({ snapshot, scope: { all: true }, dryRun: true });
    expect(look).toMatchObject({ state: 'succeeded', error: null, result: { dryRun: true } });
    expect(await bench.finished(id)).toMatchObject({ state: 'succeeded', error: null });
  });

  it('may begin as soon as the restore is over', async () => {
    const next = await bench.snapshot();
    expect(await manifests()).toContain(`snapshots/${next}/manifest.json`);
    expect(await bench.restore({ snapshot: 'latest', scope: { all: true }, confirm: next })).toMatchObject({
      state: 'succeeded',
      result: { snapshot: next, plan: { total: { write: 0, overwrite: 0, remove: 0 } } },
    });
  });
});
