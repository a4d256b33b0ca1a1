import { describe, expect, it, afterEach, beforeEach } from '@jest/globals';
import { costOf, spentBy } from '../../lib/monitoring/status/figures.js';
import type { Json } from '../../lib/json.js';
import { renderMetrics } from '../../lib/monitoring/status/metrics.js';
import { silentLog } from '../../lib/app/in-process.js';
import { AppError } from '../../lib/errors.js';
import { projectFigures, type ProjectFigures } from '../../lib/monitoring/projects.js';
import type { ObjectStore } from '../../lib/ports/store.js';
import type { VectorIndex } from '../../lib/ports/vector-index.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { makeSnapshot, UNSIGNED } from '../support/made-snapshots.js';
import fc from '../support/fast-check.js';

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

const LINE = /^([a-z_]+)(?:\{(.*)\})? ((?:-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN))|[+-]Inf)$/;
const LABEL = /([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;

/** Reads labels back as a scraper does. */
function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`no labels: ${text}`);
    const [, name = '', value = ''] = match;
    labels[name] = value.replace(/\\(["\\n])/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
  }
  return labels;
}

describe('the text of metrics', () => {
  it('preserves every label and value, whatever they contain', () => {
    const awkward = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('\\', '"', '\n', 'n', '{', '}', ',', '=') }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ value: awkward, number: fc.double({ noNaN: true }) }), { minLength: 1 }),
        awkward,
        (all, help) => {
          const samples = all.map(({ value, number }) => ({ labels: { code: value, other: 'x' }, value: number }));
          const [helpLine, typeLine, ...lines] = renderMetrics([{ name: 'alert', help, samples }]).split('\n');
          expect(helpLine?.startsWith('# HELP soulcaster_backup_alert ')).toBe(true);
          expect(typeLine).toBe('# TYPE soulcaster_backup_alert gauge');
          expect(lines.pop()).toBe('');
          expect(lines).toHaveLength(all.length);
          for (const [index, line] of lines.entries()) {
            const [, name, labels = '', value] = LINE.exec(line) ?? [];
            expect(name).toBe('soulcaster_backup_alert');
            expect(labelsOf(labels)).toEqual({ code: all[index]?.value, other: 'x' });
            expect(Number(value?.replace('Inf', 'Infinity'))).toBe(Number(String(all[index]?.number)));
          }
        },
      ),
    );
  });

  it('leaves out unknown figures', () => {
    expect(renderMetrics([{ name: 'rto_met', help: 'Is it?', samples: [] }])).toBe('');
  });
});

const INDEX = {
  place: { index: 'host', suffix: '' },
  info: () => Promise.resolve({ namespaces: { p: { vectors: 3, pending: 0 }, newer: { vectors: 1, pending: 0 } } }),
} as unknown as VectorIndex;

/** Nobody is kept waiting: all answers come in time. */
const PATIENT = {
  now: () => Date.parse('2026-11-21T00:00:00Z'),
  sleep: (_: number, signal?: AbortSignal) =>
    new Promise<void>((wake) => signal?.addEventListener('abort', () => wake(), { once: true })),
};

describe('what is saved of each project', () => {
  let folder: FolderStore;
  beforeEach(async () => (folder = await folderStore()));
  afterEach(() => folder.remove());

  const figures = (read: ObjectStore['read'] = (name) => folder.store.read(name)): Promise<ProjectFigures> =>
    projectFigures({
      clock: PATIENT,
      log: silentLog(),
      signer: UNSIGNED,
      store: { ...folder.store, read },
      own: null,
      redis: null,
      vectors: () => INDEX,
    });
  const keysIn = ({ projects }: ProjectFigures) =>
    Object.fromEntries(projects.map(({ project, keys }) => [project, keys]));

  it('is nothing without a snapshot, and for projects newer than the snapshot', async () => {
    expect(keysIn(await figures())).toEqual({ p: 0, newer: 0 });
    await makeSnapshot(folder.store, { at: '2026-11-20T02:00:00Z', keys: 4 });
    expect(keysIn(await figures())).toEqual({ p: 4, newer: 0 });
  });

  it('is unknown if the store does not answer', async () => {
    await makeSnapshot(folder.store, { at: '2026-11-20T02:00:00Z', keys: 4 });
    const down = () => Promise.reject(new AppError('store-unavailable', 'down', { hint: 'wait' }));
    const seen = await figures(down);
    expect([seen.store, seen.snapshot, keysIn(seen)]).toEqual(['unavailable', null, { p: null, newer: null }]);
  });
});
