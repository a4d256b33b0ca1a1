import { describe, expect, it } from '@jest/globals';
import { costOf, spentBy } from '../../lib/monitoring/status/figures.js';
import type { Json } from '../../lib/json.js';

const run = (kind: string, result: Json, input: Json = {}, createdAt = '2026-11-20T02:00:00Z') => {
  return { kind, result, input, createdAt };
};
const snapshot = run('snapshot', { commands: 100_000, estimatedUsd: 0.2 });
const reindex = run('reindex', { tokens: 2000, estimatedUsd: 0.0004 }, {}, '2026-11-19T00:00:00Z');

describe('what runs cost', () => {
  it.each([
    ['a snapshot', snapshot, { commands: 100_000, tokens: null, estimatedUsd: 0.2 }],
    ['a restore', run('restore', { spent: { commands: 500, requests: 5 } }), { commands: 500, estimatedUsd: 0.001 }],
    ['a drill', run('drill', { restore: { spent: { commands: 500 } } }), { commands: 500, estimatedUsd: 0.001 }],
    ['a re-index', reindex, { commands: null, tokens: 2000, estimatedUsd: 0.0004 }],
    [
      'a re-index at no known price',
      run('reindex', { tokens: 7, estimatedUsd: null }),
      { tokens: 7, estimatedUsd: null },
    ],
    ['a verification', run('verify', null), { commands: 0, estimatedUsd: 0 }],
  ])('is what the record of %s says', (_, spender, cost) => expect(costOf(spender)).toMatchObject(cost));

  it.each([
    run('snapshot', null),
    run('restore', { spent: 'much' }),
    run('drill', { outcome: 'failed' }),
    run('reindex', []),
  ])('is unknown, not zero, if the record has none: %j', (spender) => expect(costOf(spender)).toBeNull());

  it('is added up, with the number of runs of unknown cost; a plan of a re-index costs nothing yet', () => {
    const plan = run('reindex', { tokens: 9000, estimatedUsd: 1 }, { dryRun: true });
    const failed = run('restore', null);
    expect(spentBy([snapshot, reindex, plan, failed])).toEqual({
      since: '2026-11-19T00:00:00Z',
      runs: 3,
      unknown: 1,
      commands: 100_000,
      tokens: 2000,
      estimatedUsd: 0.2004,
    });
    expect(spentBy([])).toMatchObject({ since: null, runs: 0, unknown: 0, estimatedUsd: 0 });
  });
});
