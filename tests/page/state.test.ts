import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CallError, fromNetwork, fromPlatform, fromProblem } from '../../page/api/errors.js';
import type { Plan, Services, Status } from '../../page/api/types.js';
import { isStale, nextFeed, NOTHING, type Feed, type FeedEvent } from '../../page/state/feed.js';
import { changesAnything, confirmationFor, newestRestorable, planOf, plannedScope } from '../../page/state/restore.js';
import { isOver, runBegun, runTime } from '../../page/state/runs.js';
import { endWords, resultFacts } from '../../page/words/results.js';
import { kindName, phaseName } from '../../page/words/phases.js';
import { isRestorable, standingOf } from '../../page/words/standing.js';
import { verdictOf } from '../../page/words/verdict.js';
import { badStatus, run, status } from './fixtures-status.js';
import { snapshotAt } from './fixtures.js';

const ERROR = new CallError('store-unavailable', 'The store is down', 'Wait', 503);
const event: fc.Arbitrary<FeedEvent<number>> = fc.oneof(
  fc.constant<FeedEvent<number>>({ type: 'asked' }),
  fc.record({ type: fc.constant('answered' as const), data: fc.nat(), at: fc.nat() }),
  fc.constant<FeedEvent<number>>({ type: 'failed', error: ERROR }),
);

describe('what is known of a call', () => {
  it('keeps the newest data and their time through failures, and says the last failure alone', () => {
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const feed = events.reduce<Feed<number>>(nextFeed, NOTHING);
        const answers = events.filter((one) => one.type === 'answered');
        const over = events.filter((one) => one.type !== 'asked').at(-1);
        expect([feed.data, feed.at]).toEqual([answers.at(-1)?.data ?? null, answers.at(-1)?.at ?? null]);
        expect(feed.error).toBe(over?.type === 'failed' ? ERROR : null);
        expect(feed.loading).toBe(events.at(-1)?.type === 'asked');
      }),
    );
  });

  it('is stale after three rounds and a little, and never before there was any', () => {
    const feed = { ...NOTHING, data: 1, at: 0 };
    expect([59_999, 60_001].map((now) => isStale(feed, 15_000, now))).toEqual([false, true]);
    expect(isStale(NOTHING, 15_000, 1e12)).toBe(false);
  });
});

describe('the verdict', () => {
  const ANSWER = { store: 'ok', redis: 'ok', vectors: 'not-configured' } as const;
  const verdict = (data: Status | null, old = false, error: CallError | null = null, services: Services = ANSWER) =>
    verdictOf({ data, error }, old, services);

  it('calls the data safe when both objectives are met and nothing is amiss', () => {
    expect(verdict(status())).toMatchObject({ tone: 'good', headline: 'The data is safe' });
  });

  it('calls it at risk when an objective is breached, and says which', () => {
    expect(verdict(badStatus())).toMatchObject({ tone: 'bad', detail: expect.stringContaining('24 h') as unknown });
    const slow = status({ state: 'degraded', recoveryTime: { ...status().recoveryTime, met: false } });
    expect(verdict(slow)).toMatchObject({ tone: 'bad', detail: 'A restore would take longer than 4 h.' });
    expect(verdict(status({ state: 'degraded' }))).toMatchObject({ tone: 'bad' });
  });

  it('never calls safe what is old or not known', () => {
    expect(verdict(status(), true)).toMatchObject({ tone: 'warn', headline: 'Not known' });
    expect(verdict(null, false, ERROR)).toMatchObject({ tone: 'warn', headline: 'Not known' });
    expect(verdict(null)).toMatchObject({ tone: 'busy' });
  });

  it('asks to look where alerts are open or credentials fail', () => {
    const looked = verdict(status({ alerts: badStatus().alerts }));
    expect(looked).toMatchObject({ tone: 'warn', detail: '2 alerts open.' });
  });

  it('asks to look while a service does not answer', () => {
    const down = verdict(status(), false, null, { ...ANSWER, redis: 'unavailable' });
    expect(down).toMatchObject({ tone: 'warn', detail: 'The database does not answer.' });
  });
});

describe('errors of calls', () => {
  it('are what a problem document says', () => {
    const document = { code: 'locked', detail: 'Run r is at work', hint: 'Wait', title: 'Locked' };
    expect(fromProblem(409, document)).toMatchObject({ code: 'locked', message: 'Run r is at work', hint: 'Wait' });
  });

  it('are made up for where an answer says nothing', () => {
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

  it('are found by being new, of the kind and under way', () => {
    const runs = [running('c'), running('b'), run({ runId: 'd' })];
    expect(runBegun(runs, 'snapshot', new Set(['c']))).toBe('b');
    expect(runBegun(runs, 'restore', new Set())).toBeNull();
    expect(runBegun(runs, 'snapshot', new Set(['b', 'c']))).toBeNull();
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

  it('have words for kinds and phases, and names where there are none', () => {
    expect(phaseName({ kind: 'restore', phase: 'prove' })).toBe('proving every key');
    expect(phaseName({ kind: 'verify', phase: 'new-one' })).toBe('new-one');
    expect(kindName({ kind: 'reindex', title: 're-index' })).toBe('Re-index');
  });

  it('say what they came to, whatever a result holds', () => {
    const kinds = fc.constantFrom('snapshot', 'verify', 'restore', 'reindex', 'drill' as const);
    const result = fc.oneof(fc.constant(null), fc.dictionary(fc.string(), fc.jsonValue()));
    fc.assert(
      fc.property(kinds, result, (kind, value) => {
        for (const [name, words] of resultFacts({ kind, result: value }))
          expect([typeof name, typeof words]).toEqual(['string', 'string']);
      }),
    );
    expect(endWords({ kind: 'snapshot', state: 'succeeded', error: null, result: { keys: 1 } })).toBe(
      'Done: 1 key saved and read back',
    );
    expect(
      endWords({ kind: 'drill', state: 'failed', error: { code: 'x', message: 'why', hint: '' }, result: null }),
    ).toBe('Failed: why');
  });
});

describe('restores', () => {
  const plan: Plan = {
    total: { write: 0, overwrite: 0, unite: 0, same: 3, keep: 1, expired: 1, remove: 0 },
    byFamily: {},
    examples: [],
    usersJoined: 0,
  };

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

  it('have a plan only where the dry run succeeded', () => {
    expect(planOf({ state: 'succeeded', result: { plan } })).toEqual(plan);
    expect(planOf({ state: 'failed', result: { plan } })).toBeNull();
    expect(planOf({ state: 'succeeded', result: null })).toBeNull();
    expect(planOf(null)).toBeNull();
  });

  it('is confirmed and done for what the dry run planned: the undo of one project is of that project', () => {
    const narrowed = { input: { scope: { project: 'p1' } } };
    expect(plannedScope(narrowed, { all: true })).toEqual({ project: 'p1' });
    expect(plannedScope(narrowed, { project: 'p2' })).toEqual({ project: 'p2' });
    for (const input of [null, {}, { scope: { all: true } }, { scope: { project: { age: 'x' } } }]) {
      expect(plannedScope({ input }, { all: true })).toEqual({ all: true });
    }
    expect(plannedScope(narrowed, null)).toBeNull();
  });

  it('are confirmed with the id of what they are about', () => {
    expect(confirmationFor({ snapshot: 's', scope: { all: true } })).toBe('s');
    expect(confirmationFor({ snapshot: 's', scope: { project: 'p' } })).toBe('p');
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
    expect(states.map(standingOf)).toEqual(['verified', 'not checked', 'damaged', 'incomplete', 'unreadable']);
    expect(states.map(isRestorable)).toEqual([true, true, false, false, false]);
    const lacking = { state: 'incomplete', failed: 0, unexplained: 0, unsupported: 6 } as const;
    expect(isRestorable(snapshotAt(0, lacking))).toBe(true);
    for (const more of [{ failed: 1 }, { unexplained: 1 }]) {
      expect(isRestorable(snapshotAt(0, { ...lacking, ...more }))).toBe(false);
    }
  });
});
