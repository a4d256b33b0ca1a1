import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { operator } from '../../lib/http/operator.js';
import { newId } from '../../lib/runs/ids.js';
import { createRun, loadRun, newRecord } from '../../lib/runs/records.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import { addMark } from '../../lib/snapshot/unfinished-marks.js';
import { changeState } from '../../lib/monitoring/state.js';
import { openSnapshotBench, type SnapshotBench } from '../support/snapshot-bench.js';

const TOKEN = 'an-admin-token-of-some-length';

describe('decisions of operators over HTTP', () => {
  let bench: SnapshotBench;
  let id = '';
  const before = { ...process.env };
  beforeAll(async () => {
    bench = await openSnapshotBench();
    await bench.database.redis.set('feedback:p:1', 'v');
    id = (await bench.takeWhole()).id;
    const variables = { ADMIN_TOKEN: TOKEN, BACKUP_STORE: pathToFileURL(bench.folder.folder).href };
    Object.assign(process.env, variables);
  });
  afterAll(async () => {
    process.env = before;
    await bench.stop();
  });

  async function call(path: string, body?: object): Promise<Record<string, unknown> & { status: number }> {
    const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await operator(new Request(`http://127.0.0.1/api/${path}`, { ...post, headers }));
    return { ...((await answer.json()) as Record<string, unknown>), status: answer.status };
  }

  it('pins a snapshot with the reason, and unpins it', async () => {
    expect(await call(`snapshots/${id}/pin`, { pinned: true, reason: 'before the move' })).toMatchObject({
      status: 200,
      pinned: { id, reason: 'before the move', by: 'admin' },
    });
    expect((await call(`snapshots/${id}`))['pinned']).toMatchObject({ reason: 'before the move' });
    expect((await call('snapshots'))['snapshots']).toMatchObject([{ id, pinned: true }]);
    expect(await call(`snapshots/${id}/pin`, { pinned: false })).toMatchObject({ status: 200, pinned: null });
    expect((await call(`snapshots/${id}`))['pinned']).toBeNull();
  });

  it.each([
    [{ pinned: true }, 'usage'],
    [{ pinned: true, reason: '   ' }, 'usage'],
    [{ pinned: 'yes' }, 'invalid'],
    [{ pinned: true, reason: 'x', days: 3 }, 'invalid'],
  ])('refuses the pin %j', async (body, code) => {
    expect(await call(`snapshots/${id}/pin`, body)).toMatchObject({ code });
    expect((await call(`snapshots/${id}`))['pinned']).toBeNull();
  });

  it('accepts only doubtful snapshots', async () => {
    expect(await call(`snapshots/${id}/accept`, { reason: 'meant' })).toMatchObject({ status: 400, code: 'usage' });
    expect(await call(`snapshots/${id}/accept`, {})).toMatchObject({ status: 422, code: 'invalid' });
  });

  it('accepts a doubtful snapshot with the reason: it becomes trusted and `latest`', async () => {
    const { redis } = bench.database;
    for (let item = 2; item <= 20; item++) await redis.set(`feedback:p:${item}`, 'v');
    const whole = (await bench.takeWhole()).id;
    for (let item = 2; item <= 20; item++) await redis.del(`feedback:p:${item}`);
    const doubtful = (await bench.takeWhole()).id;
    expect(await call(`snapshots/${doubtful}`)).toMatchObject({
      trust: 'doubtful',
      reasons: [expect.stringContaining('20')],
    });
    expect(await call('snapshots/latest')).toMatchObject({ id: whole });

    expect(await call(`snapshots/${doubtful}/accept`, { reason: '' })).toMatchObject({ status: 422 });
    expect((await call(`snapshots/${doubtful}`))['trust']).toBe('doubtful');
    expect(await call(`snapshots/${doubtful}/accept`, { reason: 'the items were removed on purpose' })).toMatchObject({
      status: 200,
      snapshot: doubtful,
      acceptance: { reason: 'the items were removed on purpose', by: 'admin' },
    });
    expect(await call(`snapshots/${doubtful}`)).toMatchObject({ trust: 'trusted' });
    expect(await call('snapshots/latest')).toMatchObject({ id: doubtful });
  });

  it('ends the restore whose mark an accepted snapshot removes, so that the guard does not resume it', async () => {
    const { clock, folder, port } = bench;
    const run = newId(clock.now());
    const definition = { kind: 'restore', lease: 'database', firstPhase: 'write', phases: {}, words: {} } as const;
    const progress = { done: 0, total: null, unit: 'keys', bytes: 0 } as const;
    const request = { kind: 'restore', input: null, checkpoint: null, progress } as const;
    await createRun(folder.store, newRecord(run, definition, request, 1, clock.now()));
    const since = new Date(clock.now()).toISOString();
    await addMark(folder.store, sourceOf(port.host), { run, scope: { all: true }, since, kind: 'restore' });
    const doubtful = await bench.take();
    expect(doubtful.manifest?.doubts).toMatchObject([{ code: 'restore-unfinished' }]);
    const accepted = await call(`snapshots/${doubtful.id}/accept`, { reason: 'looked at the data' });
    expect(accepted).toMatchObject({ status: 200, ended: [run] });
    expect((await loadRun(folder.store, run)).record).toMatchObject({ state: 'failed', error: { code: 'cancelled' } });
  });

  it('acknowledges only an open alert', async () => {
    const alert = {
      code: 'drill-overdue' as const,
      subject: 'drill',
      message: 'no drill',
      hint: 'drill',
      since: '2026-11-20T00:00:00Z',
      lastSentAt: null,
      resolvedAt: null,
      claim: null,
    };
    await changeState(bench.folder.store, null, (state) => ({ ...state, alerts: [alert] }));
    const word = { code: 'drill-overdue', reason: 'no scratch database yet' };
    expect(await call('alerts/acknowledge', { ...word, code: 'rpo-breached' })).toMatchObject({ status: 404 });
    expect(await call('alerts/acknowledge', { ...word, reason: ' ' })).toMatchObject({ status: 422 });
    expect(await call('alerts/acknowledge', word)).toMatchObject({
      status: 200,
      acknowledged: [{ code: 'drill-overdue', subject: 'drill', reason: word.reason }],
    });
    expect(await call('alerts/acknowledge', word)).toMatchObject({ status: 404 });
  });

  it.each([
    ['2026-11-01T00:00:00Z', []],
    ['tomorrow', []],
    ['2999-01-01T00:00:00Z', ['credential-failed']],
  ])('shows no acknowledgement after its end, %s', async (until, shown) => {
    const word = { code: 'credential-failed', subject: 'queue', reason: 'known', at: '2026-10-01T00:00:00Z', until };
    await changeState(bench.folder.store, null, (state) => ({
      ...state,
      acknowledged: [{ ...word, message: null }],
    }));
    const { acknowledged } = (await call('status')) as unknown as { acknowledged: { code: string }[] };
    expect(acknowledged.map(({ code }) => code)).toEqual(shown);
  });
});
