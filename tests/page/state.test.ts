import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { CallError, fromNetwork, fromPlatform, fromProblem } from '../../page/api/errors.js';
import type { Plan } from '../../page/api/types.js';
import {
  isStale,
  reduceFeed,
  NOTHING,
  type Feed,
  type FeedEvent,
  runEvery,
  statusEvery,
} from '../../page/state/feed.js';
import { changesAnything, explainOutdated, newestRestorable, planOf } from '../../page/state/restore.js';
import { isOver, findNewRun, runTime, stalledTime, timeLeft } from '../../page/words/runs.js';
import { isRestorable, runTone, labelOf } from '../../page/words/labels.js';
import { parsePlannedRestore, parseRestoreChoices } from '../../page/words/restore-choices.js';
import { run, status } from './fixtures-status.js';
import { at, MINUTE, NOW, snapshotAt } from './fixtures.js';

const SELECTED = { projects: ['p'], families: ['config'], matches: [], keys: [] };
const ERROR = new CallError('store-unavailable', 'The store is down', 'Wait', 503);
const event: fc.Arbitrary<FeedEvent<number>> = fc.oneof(
  fc.constant<FeedEvent<number>>({ type: 'loading' }),
  fc.record({ type: fc.constant('answered' as const), data: fc.nat(), at: fc.nat() }),
  fc.constant<FeedEvent<number>>({ type: 'failed', error: ERROR }),
);

describe('a feed', () => {
  it('keeps the newest data and their time through failures, and the last failure alone', () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const feed = events.reduce<Feed<number>>(reduceFeed, NOTHING);
        const answers = events.filter((one) => one.type === 'answered');
        const over = events.filter((one) => one.type !== 'loading').at(-1);
        expect([feed.data, feed.at]).toEqual([answers.at(-1)?.data ?? null, answers.at(-1)?.at ?? null]);
        expect(feed.error).toBe(over?.type === 'failed' ? ERROR : null);
        expect(feed.loading).toBe(events.at(-1)?.type === 'loading');
      }),
    );
  });

  it('is stale after three rounds and a little, and never before there was any', () => {
    const feed = { ...NOTHING, data: 1, at: 0 };
    expect([104_999, 105_001].map((now) => isStale(feed, 60_000, now))).toEqual([false, true]);
    expect(isStale(NOTHING, 60_000, 1e12)).toBe(false);
  });
});

describe('errors of calls', () => {
  it('are what a problem document says', () => {
    const document = { code: 'locked', detail: 'Run r is in progress', hint: 'Wait', title: 'Locked' };
    expect(fromProblem(409, document)).toMatchObject({ code: 'locked', message: 'Run r is in progress', hint: 'Wait' });
  });

  it('have defaults when an answer says nothing', () => {
    for (const document of [null, {}, { code: 3, detail: '' }, 'text']) {
      expect(fromProblem(500, document)).toMatchObject({
        code: 'unknown',
        message: 'The server answered 500',
        status: 500,
      });
    }
    expect(fromPlatform(504).hint).toContain('ran out of time');
    expect(fromPlatform(502).hint).not.toContain('ran out of time');
    expect(fromNetwork(new TypeError('Failed to fetch'))).toMatchObject({ code: 'unreachable', status: 0 });
  });
});

describe('runs', () => {
  const running = (id: string) => run({ runId: id, state: 'running', finishedAt: null });

  it('are found among the new ones', () => {
    const runs = [running('c'), running('b')];
    expect(findNewRun(runs, new Set(['c']))).toBe('b');
    expect(findNewRun(runs, new Set(['b', 'c']))).toBeNull();
  });

  it('are stalled after a long time without progress, and only while they run', () => {
    const still = { ...running('a'), progressedAt: '2026-11-24T00:00:00Z' };
    const now = Date.parse('2026-11-24T08:00:00Z');
    expect(stalledTime(still, now)).toBe(8 * 3_600_000);
    expect(stalledTime(still, Date.parse('2026-11-24T00:05:00Z'))).toBeNull();
    expect(stalledTime({ ...still, state: 'waiting' }, now)).toBeNull();
    expect(stalledTime({ ...still, progressedAt: null, createdAt: '2026-11-24T00:00:00Z' }, now)).toBe(8 * 3_600_000);
  });

  it('have an estimate of the time left only when it can be computed', () => {
    const progress = { done: 25, total: 100, unit: 'parts', bytes: 0 } as const;
    expect(timeLeft(progress, 10_000)).toBe(30_000);
    for (const unknown of [{ done: 0 }, { total: null }, { done: 100 }])
      expect(timeLeft({ ...progress, ...unknown }, 10_000)).toBeNull();
  });

  it('take the time from beginning to end, or to now', () => {
    const { createdAt } = run({});
    expect(runTime({ createdAt, finishedAt: null }, Date.parse(createdAt) + 5000)).toBe(5000);
    expect(runTime({ createdAt, finishedAt: createdAt }, 0)).toBe(0);
    expect((['running', 'waiting', 'succeeded', 'incomplete', 'failed'] as const).map(isOver)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
  });

  it('are good when they succeeded without an error', () => {
    const doubt = { code: 'doubtful', message: 'Snapshot s is doubtful: 1 key, 300 before', hint: '' };
    expect(runTone({ state: 'succeeded', error: doubt })).toBe('warn');
    expect(runTone({ state: 'succeeded', error: null })).toBe('good');
  });
});

describe('restores', () => {
  const older = {
    total: { write: 0, overwrite: 0, unite: 0, same: 3, keep: 1, expired: 1, remove: 0 },
    byFamily: {},
    examples: [],
    usersJoined: 0,
  };
  const plan = planOf({ result: { plan: older } }) as Plan;

  it('begin with the newest verified backup, not with one saved before a restore', () => {
    const [unchecked, safety, good] = [
      snapshotAt(0, { verification: null }),
      snapshotAt(1, { purpose: 'safety' }),
      snapshotAt(2),
    ];
    expect(newestRestorable([unchecked, safety, good, snapshotAt(3)])).toBe(good.id);
    expect(newestRestorable([unchecked])).toBeNull();
  });

  it('change nothing when nothing is written, overwritten, removed or joined', () => {
    expect(changesAnything(plan)).toBe(false);
    for (const action of ['write', 'overwrite', 'remove'] as const) {
      expect(changesAnything({ ...plan, total: { ...plan.total, [action]: 1 } })).toBe(true);
    }
    expect(changesAnything({ ...plan, usersJoined: 1 })).toBe(true);
  });

  it('have a plan where the result has one; what an older version did not count is 0', () => {
    expect(plan).toMatchObject({
      ...older,
      total: { ...older.total, fail: 0, blocked: 0 },
      usersLeft: 0,
      goneClusters: 0,
    });
    expect([planOf({ result: null }), planOf({ result: { plan: null } }), planOf(null)]).toEqual([null, null, null]);
  });

  it('are done for what the dry run planned: the undo of one project is of that project', () => {
    const wanted = parseRestoreChoices(new URLSearchParams('snapshot=s&scope=all&mode=merge'));
    const scopeIn = (scope: unknown) => parsePlannedRestore({ scope }, wanted).scope;
    for (const scope of [{ project: 'p1' }, { items: [{ project: 'p', id: '1' }] }, SELECTED])
      expect(scopeIn(scope)).toEqual(scope);
    // What is hidden from the page is no scope: then it is what was chosen.
    for (const hidden of [undefined, { project: { age: 'x' } }, { items: 'x' }, { projects: ['a'] }])
      expect(scopeIn(hidden)).toEqual({ all: true });
    const plain = { snapshot: 's', scope: { all: true }, mode: 'merge', target: null, options: {} };
    expect(parsePlannedRestore(null, wanted)).toEqual(plain);
    // What the plan was made with goes with it: another target, or another rule, would be another restore.
    const options = { expiry: 'drop', settle: false, safety: false, reindex: false };
    expect(parsePlannedRestore({ target: 'standby', ...options }, wanted)).toEqual({
      ...plain,
      target: 'standby',
      options,
    });
  });

  it('keep the source that was named when the plan was made', () => {
    const wanted = parseRestoreChoices(new URLSearchParams('snapshot=s&scope=all'));
    expect(parsePlannedRestore({ fromSource: true }, wanted).options).toEqual({ fromSource: true });
    expect(parsePlannedRestore({ fromSource: false }, wanted).options).toEqual({});
  });

  it('accept only a current plan', () => {
    const plan = run({ kind: 'restore', createdAt: at(6 * MINUTE), finishedAt: at(5 * MINUTE) });
    const live = (finishedAt: string | null, input = {}) => run({ kind: 'restore', input, finishedAt });
    expect(explainOutdated(plan, [], NOW)).toBeNull();
    expect(explainOutdated(plan, [], NOW + 11 * MINUTE)).toContain('16 min 0 s old');
    // One that takes an hour to make is not old when it comes.
    expect(explainOutdated({ ...plan, createdAt: at(60 * MINUTE) }, [], NOW)).toBeNull();
    for (const finishedAt of [null, at(MINUTE), at(5.5 * MINUTE)])
      expect(explainOutdated(plan, [live(finishedAt)], NOW)).toContain('Another restore');
    for (const other of [
      live(at(7 * MINUTE)),
      live(at(MINUTE), { dryRun: true }),
      live(at(MINUTE), { target: 'standby' }),
      run({ kind: 'snapshot', finishedAt: at(MINUTE) }),
    ])
      expect(explainOutdated(plan, [other], NOW)).toBeNull();
  });

  it('take no snapshot that is incomplete, unreadable or damaged', () => {
    const damaged = snapshotAt(0, { verification: { state: 'damaged', at: '', depth: 'lines' } });
    const states = [
      snapshotAt(0),
      snapshotAt(0, { verification: null }),
      damaged,
      snapshotAt(0, { state: 'incomplete' }),
      snapshotAt(0, { state: 'unreadable', verification: null }),
    ];
    expect(states.map(labelOf)).toEqual(['verified', 'not checked', 'damaged', 'incomplete', 'unreadable']);
    expect(states.map(isRestorable)).toEqual([true, true, false, false, false]);
    // Parts that went missing after it was verified.
    expect(labelOf(snapshotAt(0, { trust: 'damaged' }))).toBe('damaged');
    const lacking = { state: 'incomplete', failed: 0, unexplained: 0, unsupported: 6 } as const;
    expect(isRestorable(snapshotAt(0, lacking))).toBe(true);
    for (const more of [{ failed: 1 }, { unexplained: 1 }]) {
      expect(isRestorable(snapshotAt(0, { ...lacking, ...more }))).toBe(false);
    }
  });
});

describe('polling intervals', () => {
  const known = (snapshots: number, parts: number, live = 0) => {
    const runs = Array.from({ length: live }, () => run({ state: 'running', finishedAt: null }));
    return { ...status({ runs }), storage: { ...status().storage, snapshots, parts } };
  };

  it('are a minute for the status, and longer when that would cost more than ten requests a minute', () => {
    const usual = [null, known(200, 400), known(60, 3000), known(60, 400, 0)];
    expect(usual.map((each) => statusEvery(each))).toEqual([60_000, 60_000, 60_000, 60_000]);
    for (const parts of [10_000, 100_000])
      expect(readsOf(parts) / minutes(statusEvery(known(500, parts)))).toBeLessThanOrEqual(10);
    expect(statusEvery(known(60, 400, 1))).toBeLessThan(70_000);
  });

  it.each([0, 1, 40, 5000])('cost at most ten requests a minute while a run of %i tasks is followed', (tasks) => {
    const every = runEvery({ tasks });
    expect(every).toBe(tasks === 0 ? 10_000 : tasks < 1000 ? 20_000 : 60_000);
    const each = 1 + Math.ceil(tasks / 1000);
    const beside = statusEvery(known(60, 400, 1), true);
    expect(each / minutes(every) + (readsOf(400) + 4) / minutes(beside)).toBeLessThanOrEqual(10);
  });

  const minutes = (ms: number): number => ms / 60_000;
  const readsOf = (parts: number): number => 5 + Math.ceil((parts + 1500) / 1000);
});
