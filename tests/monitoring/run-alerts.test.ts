import { describe, expect, it } from '@jest/globals';
import { namesOneEvent } from '../../lib/monitoring/alerts/sources.js';
import { isResolvedIn } from '../../lib/monitoring/alerts/condition.js';
import type { Facts } from '../../lib/monitoring/facts.js';
import type { Json } from '../../lib/json.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { newId } from '../../lib/runs/ids.js';

import { codes, DAY, find, NOW, run } from './facts-fixture.js';

describe('runs', () => {
  const stopped = { error: { code: 'interrupted', message: '', hint: '' }, input: { trigger: 'cli' } };
  const ahead = (state: RunRecord['state']) => run('snapshot', state, { id: newId(NOW + 3 * DAY) });
  const aside = (state: RunRecord['state']) => run('restore', state, { input: { target: 'standby' } });
  const beside = (state: RunRecord['state']) =>
    run('reindex', state, { input: { beside: { index: 'next', suffix: '' } } });
  const vectors = (state: RunRecord['state'], scope: object) => run('reindex', state, { input: { scope } as Json });
  const back = (state: RunRecord['state'], scope: object) => run('restore', state, { input: { scope } as Json });
  const cleared = (phase: string) =>
    run('reindex', 'failed', { ...stopped, input: { trigger: 'cli', mode: 'flush' }, phase });
  const died = { ...stopped, error: { ...stopped.error, code: 'abandoned' } };
  it.each<[string, RunRecord[], string[]]>([
    ['failed', [run('snapshot', 'failed')], ['backup-failed']],
    ['incomplete', [run('snapshot', 'incomplete')], ['backup-failed']],
    ['failed, and one under way', [run('snapshot', 'running'), run('snapshot', 'failed')], ['backup-failed']],
    ['failed before a good one', [run('snapshot', 'succeeded'), run('snapshot', 'failed')], []],
    ['stopped on a terminal', [run('snapshot', 'failed', stopped), run('snapshot', 'succeeded')], []],
    [
      'died, although a terminal started it',
      [run('snapshot', 'failed', died), run('snapshot', 'succeeded')],
      ['backup-failed'],
    ],
    ['a restore that failed', [run('restore', 'failed')], ['restore-failed']],
    ['a dry run that failed', [run('restore', 'failed', { input: { dryRun: true } })], []],
    [
      'dated ahead as good by a wrong clock, and failed since',
      [ahead('succeeded'), run('snapshot', 'failed')],
      ['backup-failed'],
    ],
    ['dated ahead as failed, and good since', [ahead('failed'), run('snapshot', 'succeeded')], []],
    [
      'a restore that failed, and one into another database since',
      [aside('succeeded'), run('restore', 'failed')],
      ['restore-failed'],
    ],
    [
      'a restore into another database that failed, and a good one',
      [run('restore', 'succeeded'), aside('failed')],
      ['restore-failed'],
    ],
    ['a re-index that failed', [run('reindex', 'failed')], ['reindex-failed']],
    ['a re-index that was stopped', [run('reindex', 'failed', { ...stopped, phase: 'embed' })], []],
    ['a re-index that was stopped before it cleared', [cleared('plan')], []],
    ['a re-index that was stopped after it cleared', [cleared('embed')], ['reindex-failed']],
    [
      'a re-index that was stopped after it cleared, and a good one since',
      [run('reindex', 'succeeded'), cleared('embed')],
      [],
    ],
    [
      'a re-index that failed, and one beside it since',
      [beside('succeeded'), run('reindex', 'failed')],
      ['reindex-failed'],
    ],
    [
      'a re-index of a project that failed, and one of another since',
      [vectors('succeeded', { project: 'q' }), vectors('failed', { project: 'p' })],
      ['reindex-failed'],
    ],
    [
      'a re-index of a project that failed, and one of an item of it since',
      [vectors('succeeded', { items: [{ project: 'p', id: '1' }] }), vectors('failed', { project: 'p' })],
      ['reindex-failed'],
    ],
    [
      'a re-index of a project that failed, and one of several since',
      [vectors('succeeded', { projects: ['p', 'q'] }), vectors('failed', { project: 'p' })],
      [],
    ],
    [
      'a re-index of some items that failed, and one of their project since',
      [vectors('succeeded', { project: 'p' }), vectors('failed', { items: [{ project: 'p', id: '1' }] })],
      [],
    ],
    [
      'a re-index that failed, and one of everything since',
      [run('reindex', 'succeeded'), run('reindex', 'failed')],
      [],
    ],
    ['a re-index that left something out', [run('reindex', 'incomplete')], ['reindex-failed']],
    [
      'a build beside the index that failed before it wrote, and any re-index since',
      [run('reindex', 'succeeded'), { ...beside('failed'), phase: 'preflight' }],
      [],
    ],
    [
      'a build beside the index that failed while it wrote, and another re-index since',
      [run('reindex', 'succeeded'), { ...beside('failed'), phase: 'embed' }],
      ['reindex-failed'],
    ],
    [
      'a restore of a project that failed, and one of another since',
      [back('succeeded', { project: 'q' }), back('failed', { project: 'p' })],
      ['restore-failed'],
    ],
    [
      'a restore of a project that failed, and one of its hashes since',
      [
        back('succeeded', { projects: ['p'], families: ['feedback'], matches: [], keys: [] }),
        back('failed', { project: 'p' }),
      ],
      ['restore-failed'],
    ],
    [
      'a restore of a project that failed, and one of everything since',
      [back('succeeded', { all: true }), back('failed', { project: 'p' })],
      [],
    ],
    ['old vectors that could not be dropped', [run('reindex', 'failed', { input: { dropOld: true } })], []],
  ])('are reported: %s', (_, runs, expected) => expect(codes({ runs })).toEqual(expected));

  it('do not resolve an alert of a run that was not read because there are too many', () => {
    const failed = { code: 'backup-failed', subject: 'snapshot' };
    const runs = [run('verify', 'succeeded'), run('restore', 'succeeded', { input: { dryRun: true } })];
    const isOver = (facts: Partial<Facts>): boolean => isResolvedIn(find(facts), failed);
    expect(isOver({ runs, hasMoreRuns: true })).toBe(false);
    expect(isOver({ runs, hasMoreRuns: false })).toBe(true);
    expect(isOver({ runs: [...runs, run('snapshot', 'succeeded')], hasMoreRuns: true })).toBe(true);
  });

  it('do not resolve an alert that only a run of a wider scope can end, when its own run was not read', () => {
    const isOver = (scope: object): boolean =>
      isResolvedIn(find({ runs: [vectors('succeeded', scope)], hasMoreRuns: true }), {
        code: 'reindex-failed',
        subject: 'reindex',
      });
    expect([isOver({ project: 'q' }), isOver({ all: true })]).toEqual([false, true]);
  });

  it('name every failure that was not made good, so that an acknowledgement of one does not cover another', () => {
    const [first, second] = [vectors('failed', { project: 'p' }), vectors('failed', { project: 'q' })];
    const messageOf = (...runs: RunRecord[]) => find({ runs }).conditions.map(({ message }) => message);
    expect(messageOf(second, first)).toEqual([expect.stringMatching(new RegExp(`^Run ${second.id}.*${first.id}$`))]);
    expect(messageOf(first)).toEqual([expect.stringContaining(first.id)]);
    expect(namesOneEvent({ code: 'reindex-failed' })).toBe(true);
  });
});
