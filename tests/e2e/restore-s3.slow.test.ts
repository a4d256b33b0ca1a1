import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectAsBefore, restoreStack, workInFlight, type RestoreStack } from './restore-stack.js';

let bench: RestoreStack;

beforeAll(async () => {
  bench = await restoreStack({ items: 30, mixed: 150 }, { s3: true, variables: { BACKUP_PART_MIB: '0.1' } });
});

afterAll(() => bench.stop());

describe('a restore with an S3 server as store', () => {
  it('brings everything back and can be undone', async () => {
    const snapshot = await bench.snapshot();
    const before = await bench.dump();
    const inFlight = await workInFlight(bench.redis, before);
    await bench.redis.flushall();
    await bench.redis.rpush('wrong', 'a', 'b');
    const wrong = await bench.dump();

    const run = await bench.restore({ snapshot: 'latest', scope: { all: true }, confirm: snapshot });
    expect(run).toMatchObject({
      state: 'succeeded',
      error: null,
      result: { snapshot, undo: run.runId, proof: { total: { equal: Object.keys(before).length, missing: 0 } } },
    });
    await expectAsBefore(bench, before, inFlight);
    expect(await bench.leftovers(run.runId)).toEqual([]);
    const parts = (await bench.objects(`snapshots/${snapshot}/`)).filter((name) => name.includes('/part-'));
    expect(parts.length).toBeGreaterThan(3);

    const undone = await bench.restore({ snapshot: run.runId, scope: { all: true }, confirm: run.runId });
    expect(undone).toMatchObject({ state: 'succeeded', error: null });
    expect(await bench.dump()).toEqual(wrong);
    expect(await bench.leftovers(undone.runId)).toEqual([]);
  });

  it('lets one of two requests at once in', async () => {
    const [snapshot] = (await bench.objects('snapshots/')).map((name) => name.split('/')[1]);
    const body = { snapshot, scope: { all: true }, confirm: snapshot };
    const answers = await Promise.all([bench.send(body, 'same'), bench.send(body, 'same'), bench.send(body, 'other')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409]);
    const taken = answers.find(({ status }) => status === 202);
    const { runId } = (await taken?.json()) as { runId: string };
    expect(await bench.finished(runId)).toMatchObject({ state: 'succeeded' });
  });
});
