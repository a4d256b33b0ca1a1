import { describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import type { Plan } from '../../page/api/types.js';
import { traitsOf } from '../../lib/run-kinds.js';
import { fieldsOf } from '../../lib/runs/traits.js';
import { planOf } from '../../page/state/restore.js';
import { findChangedFamilies, summarizePlan, estimateDuration } from '../../page/words/plan.js';
import { address, changeQuery, parseAddress } from '../../page/words/address.js';
import { coverageOf, describeKept, findNextRun, buildHistory } from '../../page/words/labels.js';
import { checkGroups } from '../../page/words/verdict.js';
import { runWords, stepList, waterfall } from '../../page/words/runs.js';
import { restoreAddress, formatKeyLine, chosenScope, parseRestoreChoices } from '../../page/words/restore-choices.js';
import fc, { anyCharacter } from '../support/fast-check.js';
import { PLAN, at, NOW, snapshotAt, snapshotList } from './fixtures.js';
import { drill, RUNNING, runView } from './fixtures-status.js';
import { buildProgram } from '../../lib/cli/program.js';
import { quoted } from '../../lib/restore/scope-words.js';
import { commands } from '../../page/words/commands.js';

describe('addresses', () => {
  it.each([
    [[], {}, '#/'],
    [['runs', 'a/b?c#d'], { do: 'verify' }, '#/runs/a%2Fb%3Fc%23d?do=verify'],
    [['projects', '<img src=x>'], { x: null, y: '' }, '#/projects/%3Cimg%20src%3Dx%3E'],
  ])('hold the path %j and the query %j', (path, query, expected) => {
    const text = address(path, query);
    expect(text).toBe(expected);
    expect(parseAddress(text).path).toEqual(path);
  });

  it('change a part of the query and keep the rest', () => {
    const route = parseAddress('#/runs?kind=restore&before=x');
    expect(changeQuery(route, { before: null, state: 'failed' })).toBe('#/runs?kind=restore&state=failed');
  });

  it('are parsed whatever they hold', () => {
    for (const odd of ['', '#', '#/%E0%A4%A', '#runs', '#/a?b?c']) expect(() => parseAddress(odd)).not.toThrow();
  });
});

describe('a run in words', () => {
  const words = (input: object, kind: 'restore' | 'reindex' | 'verify' | 'snapshot' = 'restore') =>
    runWords(
      { title: kind, aim: traitsOf(kind).aim?.(fieldsOf(input)) ?? null, input: input as never },
      (id) => (id === 'p1' ? 'Acme API' : id),
      (iso) => iso.slice(11, 16),
    );
  const snapshot = '20261124T020000Z-x7k2m9';

  it('distinguishes runs', () => {
    expect(words({ snapshot, scope: { project: 'p1' }, dryRun: false })).toBe('Restore · Acme API · from 02:00 · LIVE');
    expect(words({ snapshot, scope: { all: true }, dryRun: true })).toBe('Restore · everything · from 02:00 · DRY RUN');
    expect(words({ snapshot, scope: { all: true }, target: 'staging' })).toBe(
      'Restore · everything · from 02:00 · into staging',
    );
    expect(words({ snapshot }, 'verify')).toBe('Verify · of 02:00');
    expect(words({ trigger: 'cron' }, 'snapshot')).toBe('Snapshot');
    expect(words(null as never)).toBe('Restore · LIVE');
  });
});

describe('the steps of a run', () => {
  it('are in the words of its definition, each once', () => {
    const list = stepList(runView(RUNNING));
    expect(list.filter(({ state }) => state === 'now')).toEqual([{ words: 'writing', state: 'now' }]);
    expect(list[0]).toEqual({ words: 'opening the snapshot', state: 'done' });
    expect(list.map(({ words }) => words)).toEqual([...new Set(list.map(({ words }) => words))]);
    for (const { words } of list) expect(Object.values(traitsOf('restore').words)).toContain(words);
  });

  it('show what was done by the order of the definition where the record does not say it', () => {
    const list = stepList({ ...runView(RUNNING), phases: [] });
    expect(list.filter(({ state }) => state === 'done').length).toBeGreaterThan(5);
  });

  it('have their times on one axis', () => {
    const view = runView({ ...RUNNING, finishedAt: at(0) });
    const bars = waterfall(view, NOW);
    expect(bars.map(({ ms }) => ms)).toEqual([34_000, 60_000]);
    expect(bars.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
    const older = { ...view, phases: [], result: { phases: { check: 10, write: 30 } } };
    expect(waterfall(older, NOW)).toMatchObject([
      { words: 'checking the snapshot', from: 0, share: 0.25 },
      { words: 'writing', from: 0.25, share: 0.75 },
    ]);
    expect(waterfall({ ...view, phases: [], result: null }, NOW)).toEqual([]);
  });
});

describe('the plan of a restore', () => {
  const plan = planOf({ result: { plan: PLAN } }) as Plan;

  it('is one sentence', () => {
    expect(summarizePlan(plan, 40_000)).toBe('60 written, 4 overwritten, 1 removed, 312 untouched, about 40 s');
    expect(summarizePlan({ ...plan, total: { ...plan.total, write: 0, overwrite: 0, remove: 0 } }, null)).toBe(
      'nothing written, 312 untouched',
    );
  });

  it('shows the families that change, and no other', () => {
    expect(findChangedFamilies(plan).map(([family]) => family)).toEqual(['feedback']);
  });

  it('takes as long as a drill took for as many keys', () => {
    expect(estimateDuration(plan, { keys: 377, milliseconds: 40_000 })).toBe(40_000);
    expect([estimateDuration(plan, null), estimateDuration(plan, { keys: 0, milliseconds: 1 })]).toEqual([null, null]);
  });
});

describe('what is to be restored', () => {
  it('stands in the address, and comes back from it', () => {
    const wanted = {
      snapshot: 's',
      scope: 'families' as const,
      project: 'p',
      families: ['feedback', 'cluster'],
      keys: '',
      matches: '',
      mode: 'merge' as const,
    };
    expect(parseRestoreChoices(parseAddress(restoreAddress(wanted)).query)).toEqual(wanted);
    expect(chosenScope(wanted)).toEqual({ projects: ['p'], families: ['feedback', 'cluster'], matches: [], keys: [] });
  });

  it('is null while the choice is incomplete', () => {
    const of = (query: string) => chosenScope(parseRestoreChoices(new URLSearchParams(query)));
    expect([of(''), of('scope=families'), of('scope=keys'), of('scope=nonsense')]).toEqual([null, null, null, null]);
    expect(of('scope=all')).toEqual({ all: true });
  });

  it('takes names literally, and patterns as patterns', () => {
    const of = (query: Record<string, string>) => chosenScope(parseRestoreChoices(new URLSearchParams(query)));
    const none = { projects: [], families: [], matches: [], keys: [] };
    expect(of({ scope: 'keys', key: 'a:1\nb:*\n[c]?' })).toEqual({ ...none, keys: ['a:1', 'b:*', '[c]?'] });
    expect(of({ scope: 'matches', match: 'a:1\nb:*' })).toEqual({ ...none, matches: ['a:1', 'b:*'] });
    // Both at once would select what fits both: nothing, as a rule.
    expect(of({ scope: 'keys', key: 'a:1', match: 'b:*' })).toEqual({ ...none, keys: ['a:1'] });
  });

  it('finds the name of a key again in the line that a snapshot offers it as', () => {
    const names = fc.string({ unit: anyCharacter, minLength: 1, maxLength: 30 });
    const odd = fc.constantFrom('a\nb', '"quoted"', '"', '\r', 'feedback:*', 'base64:AA==');
    fc.assert(
      fc.property(fc.oneof(odd, names), (name) => {
        const wanted = parseRestoreChoices(new URLSearchParams({ scope: 'keys', key: formatKeyLine(name) }));
        expect(chosenScope(wanted)).toMatchObject({ keys: [name] });
      }),
    );
  });
});

describe('the last thirty days', () => {
  it('have a state each, and a day without a backup is missed only after the first', () => {
    const { snapshots } = snapshotList();
    const days = buildHistory(
      snapshots.filter((_, index) => index !== 7),
      [drill()],
      NOW,
    );
    expect(days).toHaveLength(30);
    expect(days.map(({ state }) => state).slice(0, 6)).toEqual(Array(6).fill('none'));
    expect(days.filter(({ state }) => state === 'missed')).toHaveLength(1);
    expect(days.filter(({ state }) => state === 'damaged')).toHaveLength(1);
    expect(days.filter(({ drill: outcome }) => outcome === 'passed')).toHaveLength(1);
    expect(days.at(-1)).toMatchObject({ state: 'verified', tone: 'good' });
  });

  it('count the best backup of a day, and none of another database or of a restore', () => {
    const others = [snapshotAt(0, { own: false }), snapshotAt(0, { purpose: 'safety' })];
    expect(buildHistory(others, [], NOW).every(({ state }) => state === 'none')).toBe(true);
    const both = [snapshotAt(0, { trust: 'doubtful' }), snapshotAt(0)];
    expect(buildHistory(both, [], NOW).at(-1)?.state).toBe('verified');
  });

  it('do not call today missed before it is over', () => {
    expect(buildHistory([snapshotAt(2)], [], NOW).slice(-2)).toMatchObject([{ state: 'missed' }, { state: 'none' }]);
  });

  it('know when the next run is due', () => {
    expect(findNextRun('0 2 * * *', NOW)).toBe('2026-11-25T02:00:00.000Z');
    expect(findNextRun('30 4 * * *', NOW)).toBe('2026-11-24T04:30:00.000Z');
    expect(findNextRun('0 2 * * 1', NOW)).toBeNull();
  });
});

describe('small words', () => {
  it('distinguish null from zero', () => {
    const of = (items: number | null, vectors: number | null, pending: number | null = 0) =>
      coverageOf({ items, vectors, pending }).words;
    expect([of(null, 3), of(3, null), of(0, 0), of(3, 3), of(0, 96), of(31, 20, 11)]).toEqual([
      'not known',
      'not known',
      'empty',
      '100%',
      '96 too many',
      '65%, 11 pending',
    ]);
  });

  it('put what fails and what is missing before what works', () => {
    const check = (name: string, state: 'ok' | 'warn' | 'fail' | 'skipped') => ({
      name,
      status: state,
      detail: '',
      hint: null,
    });
    const groups = checkGroups([
      check('a', 'ok'),
      check('b', 'skipped'),
      check('c', 'fail'),
      check('d', 'warn'),
    ] as never);
    expect(groups.map(({ checks, title }) => [title, checks.map(({ name }) => name)])).toEqual([
      ['Does not work', ['c']],
      ['Missing protections', ['d', 'b']],
      ['Works', ['a']],
    ]);
  });

  it('say why a snapshot is kept', () => {
    expect(describeKept(['newest-verified', 'daily'])).toBe('latest, of its day');
    expect(describeKept(['no-rule'])).toBe('');
  });
});

const ANY = fc
  .string({ unit: anyCharacter, maxLength: 40 })
  .filter((text) => !text.includes('\0') && Buffer.from(text).toString() === text);
const LINES = [
  commands.backup(),
  commands.verify('20261122T020000Z-x7k2m9'),
  commands.drill(),
  commands.run('20261122T020000Z-x7k2m9'),
  commands.reindex({ scope: { all: true }, mode: 'in-place' }),
  commands.reindex({ scope: { project: 'p 1' }, mode: 'missing' }),
  commands.restore({ snapshot: 'latest', scope: { all: true }, mode: 'replace', dryRun: true }),
  commands.restore({ snapshot: 'latest', scope: { project: "it's" }, mode: 'merge', dryRun: false }),
  commands.restore({
    snapshot: 'latest',
    scope: { projects: ['a', 'b'], families: ['config'], matches: ['feedback:*'], keys: ['a b'] },
    mode: 'replace',
    dryRun: true,
  }),
  commands.restore({
    snapshot: 'latest',
    scope: { items: [{ project: 'p', id: '1' }] },
    mode: 'replace',
    dryRun: true,
  }),
];

/** What a shell makes of a line. */
async function wordsOf(line: string): Promise<string[]> {
  const { stdout } = await execa('bash', ['-c', `printf '%s\\0' ${line}`], { stripFinalNewline: false });
  return stdout.split('\0').slice(0, -1);
}

describe('the command lines that the page shows', () => {
  it('give a shell every id unchanged', async () => {
    const ids = fc.sample(ANY, 300);
    expect(await wordsOf(ids.map(quoted).join(' '))).toEqual(ids);
  });

  it('leave a plain id readable', () => {
    expect(commands.restore({ snapshot: 'latest', scope: { project: 'p1' }, mode: 'replace', dryRun: true })).toBe(
      'npx soulcaster-backup restore latest --project p1 --dry-run --env-file .env',
    );
  });

  it.each(LINES)('are understood by the command line: %s', async (line) => {
    const [, program, ...words] = await wordsOf(line);
    let performed = 0;
    const perform = (): Promise<void> => Promise.resolve(void (performed += 1));
    await buildProgram(perform).parseAsync([process.execPath, program ?? '', ...words]);
    expect(performed).toBe(1);
  });
});
