import { describe, expect, it } from '@jest/globals';
import fc from '../support/fast-check.js';
import { CallError } from '../../page/api/errors.js';
import type { Status } from '../../page/api/types.js';
import { recoverableTo, verdictOf } from '../../page/words/verdict.js';
import { answer, badStatus, RUNNING, serviceDown, status } from './fixtures-status.js';
import { at, HOUR, idAt } from './fixtures.js';

const ERROR = new CallError('store-unavailable', 'The store is down', 'Wait', 503);
const RESTORE = idAt(8 * HOUR, 'r1s2t3');
const DRILL = idAt(30 * HOUR, 'd1r2l3');

const verdict = (data: Status | null, isOld = false, error: CallError | null = null) =>
  verdictOf({ data, error }, isOld);
const notOk = (...reasons: string[]) => answer({ state: 'not-ok', reasons });

/** What the page says at a glance: how bad, what, and what to do first. */
function glance(data: Status): readonly (string | undefined)[] {
  const { headline, reasons, tone } = verdict(data);
  return [tone, headline, reasons[0]?.words, reasons[0]?.remedy, reasons[0]?.to];
}

const silent = status({
  state: 'degraded',
  watched: {
    ...notOk('The cron of the guard has not called for 6 days'),
    schedulers: [{ scheduler: 'cron', state: 'silent', lastAt: at(144 * HOUR), dueBy: at(119 * HOUR) }],
  },
});
const still = status({
  runs: [{ ...RUNNING, createdAt: at(8 * HOUR), progressedAt: at(8 * HOUR) }],
});
const noBackup = status({
  state: 'degraded',
  recoverable: notOk('there is no verified snapshot of this database'),
});
const unfinished = status({
  state: 'degraded',
  recoverable: notOk(`restore ${RESTORE} began to write to the database at x and is not known to have succeeded`),
  unfinished: [{ run: RESTORE, kind: 'restore', since: at(8 * HOUR), underWay: false }],
});
const failedDrill = status({
  state: 'degraded',
  recoveryTime: { ...status().recoveryTime, ...notOk(`the last drill, ${DRILL}, failed: a key is missing`) },
});
const noDrill = status({
  state: 'unknown',
  recoveryTime: { ...status().recoveryTime, ...answer({ state: 'unknown', reasons: ['no drill has passed yet'] }) },
});
const doubtful = status({
  alerts: [
    {
      code: 'snapshot-doubtful',
      subject: idAt(HOUR),
      message: 'The newest snapshot was taken of a database that lost most of its keys',
      hint: 'Was data lost?',
      since: at(HOUR),
      lastSentAt: null,
      runbook: 'docs/operations.md#alert-snapshot-doubtful',
    },
  ],
});

describe('what the page says at a glance', () => {
  it.each([
    ['all is well', status(), ['good', 'The data is safe', undefined, undefined, undefined]],
    [
      'the store down',
      serviceDown('store', 'The bucket does not answer'),
      ['bad', 'The store does not work', 'The store: The bucket does not answer.', 'What to do', '#/health'],
    ],
    [
      'Redis down',
      serviceDown('redis', 'Redis does not answer'),
      ['bad', 'Redis does not work', 'Redis does not answer.', 'What to do', '#/health'],
    ],
    [
      'the queue down',
      serviceDown('queue', 'QStash answers 500'),
      ['bad', 'The queue does not work', 'The queue: QStash answers 500.', 'What to do', '#/health'],
    ],
    [
      'the index down',
      serviceDown('index', 'The index does not answer'),
      [
        'bad',
        'The vector index does not work',
        'The vector index: The index does not answer.',
        'What to do',
        '#/health',
      ],
    ],
    [
      'the embedder down',
      serviceDown('embedder', 'The key is not valid'),
      ['bad', 'The embedder does not work', 'The embedder: The key is not valid.', 'What to do', '#/health'],
    ],
    [
      'no backup for a day, with Redis down',
      badStatus(),
      ['bad', 'The data is at risk', 'Redis refuses the token.', 'What to do', '#/health'],
    ],
    [
      'no backup at all',
      noBackup,
      ['bad', 'The data is at risk', 'There is no verified snapshot of this database.', 'Back up now', '#/?do=backup'],
    ],
    [
      'the guard silent',
      silent,
      [
        'bad',
        'The guard is silent: no alert would be sent',
        'The cron of the guard has not called for 6 days.',
        'See who calls the guard',
        '#/health',
      ],
    ],
    [
      'a restore that did not end',
      unfinished,
      ['bad', 'The data is at risk', expect.stringContaining(RESTORE) as never, 'See the restore', `#/runs/${RESTORE}`],
    ],
    [
      'a run without progress',
      still,
      [
        'warn',
        'The data is safe, with 1 warning',
        'Restore has made no progress for 8 h 0 min.',
        'See the run',
        `#/runs/${RUNNING.runId}`,
      ],
    ],
    [
      'a failed drill',
      failedDrill,
      [
        'bad',
        'Recovery in time is not proven',
        expect.stringContaining('a key is missing') as never,
        'See why',
        `#/runs/${DRILL}`,
      ],
    ],
    [
      'no drill yet',
      noDrill,
      ['warn', 'It is not known how long recovery takes', 'No drill has passed yet.', 'Drill now', '#/?do=drill'],
    ],
    [
      'a doubtful snapshot',
      doubtful,
      [
        'warn',
        'The data is safe, with 1 warning',
        expect.stringContaining('lost most of its keys') as never,
        'What to do',
        '/assets/runbook.html#alert-snapshot-doubtful',
      ],
    ],
  ])('with %s', (_, data, expected) => {
    expect(glance(data)).toEqual(expected);
  });

  it('names the other problems, and does not repeat an answer as an alert', () => {
    const { detail, reasons } = verdict(badStatus());
    expect(detail).toBe('Also: a service does not work.');
    expect(reasons.map(({ words }) => words)).toEqual([
      'Redis refuses the token.',
      expect.stringContaining('31.4 hours old'),
    ]);
    expect(reasons[1]?.remedy).toBe('Fix Redis first');
  });

  it('says what to do first, whatever else is down', () => {
    const refused = verdict(serviceDown('redis', 'Redis refuses the token')).reasons[0];
    expect(refused).toMatchObject({ words: 'Redis refuses the token.', hint: 'Mend redis as the runbook says.' });
    const { alerts, recoverable } = badStatus();
    const missed = verdict(status({ state: 'degraded', recoverable, alerts: alerts.slice(0, 1) })).reasons;
    expect(missed).toMatchObject([{ hint: 'Look at the last runs, then take a snapshot now.', remedy: 'Back up now' }]);
    const several = badStatus();
    const items = several.services.items.map((item) => ({ ...item, state: 'not-ok' as const, reason: 'no answer' }));
    const services = { ...several.services, items, reasons: items.map(({ name }) => `${name}: no answer`) };
    expect(verdict(status({ state: 'degraded', services }))).toMatchObject({
      headline: 'Redis and 4 more services do not work',
      reasons: [{ words: 'Redis: no answer.' }, { words: 'The store: no answer.' }, {}, {}, {}],
    });
  });

  it('is green only when all four answers are ok', () => {
    const answers = fc.constantFrom('ok' as const, 'not-ok' as const, 'unknown' as const);
    const all = fc.record({ recoverable: answers, recoveryTime: answers, watched: answers, services: answers });
    fc.assert(
      fc.property(all, (states) => {
        const base = status();
        const data = status({
          recoverable: { ...base.recoverable, state: states.recoverable },
          recoveryTime: { ...base.recoveryTime, state: states.recoveryTime },
          watched: { ...base.watched, state: states.watched },
          services: { ...base.services, state: states.services },
        });
        const all = Object.values(states);
        const tone = all.includes('not-ok') ? 'bad' : all.includes('unknown') ? 'warn' : 'good';
        expect(verdict(data).tone).toBe(tone);
      }),
    );
    // Whatever the server means by it: what it does not call ok is not green.
    expect(verdict(status({ state: 'degraded' })).tone).toBe('warn');
  });

  it('never calls an old or unknown status safe', () => {
    expect(verdict(status(), true)).toMatchObject({ tone: 'warn', headline: 'Not known' });
    expect(verdict(null, false, ERROR)).toMatchObject({ tone: 'warn', headline: 'Not known: the store is down' });
    expect(verdict(null, false, ERROR).detail).toContain('npx soulcaster-backup status');
    expect(verdict(null)).toMatchObject({ tone: 'busy' });
  });
});

describe('how far back the data is recoverable', () => {
  it.each([
    [{ ageHours: 3, ambiguous: false }, '3 h 0 min ago', null],
    [{ ageHours: null, ambiguous: false }, 'nothing', 'There is no verified backup.'],
    [{ ageHours: null, ambiguous: true }, 'not known', 'The store holds snapshots of several databases'],
  ])('%j: %s', (point, figure, why) => {
    expect(recoverableTo(point)).toEqual({
      figure,
      why: why === null ? null : (expect.stringContaining(why) as unknown),
    });
  });
});
