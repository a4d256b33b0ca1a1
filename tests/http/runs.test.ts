import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/in-process.js';
import { withErrorResponse } from '../../lib/http/responses.js';
import { showRuns } from '../../lib/http/runs.js';
import type { Json } from '../../lib/json.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import { newId } from '../../lib/runs/ids.js';
import { writeMarker } from '../../lib/runs/markers.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { createRun, newRecord } from '../../lib/runs/records.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { manualClock } from '../support/clocks.js';

const START = Date.parse('2026-11-20T00:00:00Z');
const HOUR_MS = 3_600_000;

interface Answer {
  readonly status: number;
  readonly runs: Readonly<Record<string, unknown>>[];
  readonly next: string | null;
  readonly code?: string;
}

describe('GET /api/runs', () => {
  let folder: FolderStore;
  /** Oldest first. */
  const ids: string[] = [];
  beforeAll(async () => {
    folder = await folderStore();
    await add('snapshot', { trigger: 'cron' });
    await add('restore', { scope: { project: 'p1' }, dryRun: true, mode: 'replace' }, { state: 'failed' });
    await add('reindex', { scope: { projects: ['p1', 'p2'] } });
    await add('restore', { scope: { items: [{ project: 'p2', id: 'a' }] } }, { state: 'incomplete' });
    const tasks = { state: 'running', finishedAt: null, tasks: 3, phase: 'write' } as const;
    await add('restore', { scope: { all: true }, snapshot: 'latest', trigger: 'admin' }, tasks);
    await folder.store.create('runs/20261120T120000Z-aaaaaa/run.json', Buffer.from('{"a":'));
  });
  afterAll(() => folder.remove());

  async function add(kind: string, input: Json, changes: Partial<RunRecord> = {}): Promise<void> {
    const at = START + ids.length * HOUR_MS;
    const definition = { kind, lease: 'database', firstPhase: 'scan', words: {}, phases: {} };
    const progress = { done: 0, total: null, unit: 'keys', bytes: 0 } as const;
    const record = newRecord(newId(at), definition, { kind, input, checkpoint: null, progress }, 1, at);
    await createRun(folder.store, { ...record, state: 'succeeded', finishedAt: record.createdAt, ...changes });
    ids.push(record.id);
  }

  async function ask(query = '', store: ObjectStore = folder.store): Promise<Answer> {
    const log = silentLog();
    const request = new Request(`http://127.0.0.1/api/runs${query}`);
    const ports = { clock: manualClock(), log, signer: UNSIGNED, store };
    const answer = await withErrorResponse(log, () => showRuns(ports, request));
    return { status: answer.status, ...((await answer.json()) as Omit<Answer, 'status'>) };
  }
  const numbers = ({ runs }: Answer): number[] => runs.map(({ runId }) => ids.indexOf(String(runId)));

  it('lists all runs, newest first, and skips an unreadable one', async () => {
    const answer = await ask();
    expect([answer.status, answer.next, numbers(answer)]).toEqual([200, null, [4, 3, 2, 1, 0]]);
    expect(answer.runs[3]).toEqual({
      runId: ids[1],
      kind: 'restore',
      title: 'restore',
      state: 'failed',
      phase: 'scan',
      doing: 'scan',
      input: { scope: { project: 'p1' }, dryRun: true, mode: 'replace' },
      asked: 'project p1, mode replace, dry run',
      aim: 'DRY RUN',
      ifCancelled: null,
      trigger: null,
      attempts: 0,
      progress: { done: 0, total: null, unit: 'keys', bytes: 0 },
      phaseAt: '2026-11-20T01:00:00.000Z',
      progressedAt: null,
      lastError: null,
      nextAttemptAt: null,
      error: null,
      createdAt: '2026-11-20T01:00:00.000Z',
      updatedAt: '2026-11-20T01:00:00.000Z',
      finishedAt: '2026-11-20T01:00:00.000Z',
    });
  });

  it('counts the tasks that a queue has delivered one by one', async () => {
    await writeMarker(folder.store, ids[4] ?? '', 'write', 2, null);
    const [run] = (await ask('?limit=1')).runs;
    expect(run).toMatchObject({ progress: { done: 1, total: 3 }, progressedAt: expect.any(String) });
  });

  it.each([
    ['kind=restore', [4, 3, 1]],
    ['kind=reindex&kind=snapshot', [2, 0]],
    ['state=running', [4]],
    ['state=failed&state=incomplete', [3, 1]],
    ['project=p1', [2, 1]],
    ['project=p2&kind=restore', [3]],
    ['project=p1&project=p2', [3, 2, 1]],
    ['project=p', []],
    ['before=2026-11-20T02:00:00Z', [1, 0]],
    ['before=2026-11-20T02:00:01Z&kind=reindex', [2]],
  ])('%s returns the matching runs', async (query, wanted) => {
    const answer = await ask(`?${query}`);
    expect([answer.status, numbers(answer), answer.next]).toEqual([200, wanted, null]);
  });

  it.each(['', '&kind=restore', '&project=p1'])('returns each run once over its pages%s', async (filter) => {
    const pages: number[][] = [];
    for (let next: string | null = ''; next !== null;) {
      const answer: Answer = await ask(`?limit=1${filter}${next === '' ? '' : `&before=${next}`}`);
      pages.push(numbers(answer));
      next = answer.next;
    }
    expect(pages.flat()).toEqual(numbers(await ask(`?${filter}`)));
    expect(pages.every((page) => page.length <= 1)).toBe(true);
  });

  it('reads a limited number of records per page, and returns where the next page begins', async () => {
    const many = Array.from({ length: 700 }, (_, at) => newId(START - at * 1000)).sort();
    const read: string[] = [];
    const store: ObjectStore = {
      ...folder.store,
      folders: async function* () {
        yield* await Promise.resolve(many);
      },
      read: (name) => (read.push(name), Promise.resolve(null)),
    };
    const answer = await ask('?kind=drill', store);
    expect([answer.status, answer.runs, answer.next, read.length]).toEqual([200, [], many[700 - 480], 480]);
    expect(await ask(`?kind=drill&before=${answer.next}`, store)).toMatchObject({ runs: [], next: null });
    expect(read).toHaveLength(700);
  });

  it.each([
    'kind=backup',
    'kind=',
    'state=done',
    'before=yesterday',
    'before=2026-02-30T00:00:00Z',
    'before=',
    'limit=0',
    'limit=201',
    'kinds=drill',
  ])('%s is refused', async (query) => {
    expect(await ask(`?${query}`)).toMatchObject({ status: 422, code: 'invalid' });
  });
});
