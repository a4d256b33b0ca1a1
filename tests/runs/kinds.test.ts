import { COMPACT } from '../support/compact-kind.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/in-process.js';
import { showRun, showRuns } from '../../lib/http/runs.js';
import type { RunView } from '../../lib/http/run-view.js';
import { alertCodes, ALERT_SOURCES } from '../../lib/monitoring/alerts/sources.js';
import { spentBy } from '../../lib/monitoring/status/figures.js';
import type { Facts } from '../../lib/monitoring/facts.js';
import type { GuardParts } from '../../lib/monitoring/guard/parts.js';
import { resumeStuck } from '../../lib/monitoring/guard/stuck.js';
import { metricsOf } from '../../lib/monitoring/status/metrics.js';
import { RUN_KINDS } from '../../lib/run-kinds.js';
import type { Engine } from '../../lib/runs/engine.js';
import type { RunDefinition, StepOutcome } from '../../lib/runs/model.js';
import { loadRun, saveRun } from '../../lib/runs/records.js';
import { runSummary } from '../../lib/runs/summary.js';
import { runWords } from '../../page/words/runs.js';
import { status } from '../page/fixtures-status.js';
import { runHere } from '../support/command-line.js';
import { UNSIGNED } from '../support/made-snapshots.js';
import { openBench, TIMES, type Bench } from './bench.js';

const PROGRESS = { done: 0, total: null, unit: 'items', bytes: 0 } as const;

let bench: Bench;
let engine: Engine;
let end: StepOutcome;
beforeEach(async () => {
  bench = await openBench();
  engine = bench.engineOf(definition());
  end = { to: 'end', state: 'succeeded', result: { saved: 2048, commands: 12 }, error: null };
});
afterEach(() => bench.folder.remove());

function definition(): RunDefinition {
  return {
    ...COMPACT,
    lease: 'compact',
    firstPhase: 'gather',
    phases: {
      gather: {
        type: 'serial',
        step: () => Promise.resolve({ to: 'phase', phase: 'squeeze', tasks: 0, checkpoint: null, progress: PROGRESS }),
      },
      squeeze: { type: 'serial', step: () => Promise.resolve(end) },
    },
  };
}

async function started(): Promise<string> {
  const outcome = await engine.start({
    kind: COMPACT.kind,
    input: { dryRun: false },
    trigger: 'admin',
    checkpoint: null,
    progress: PROGRESS,
  });
  if (!outcome.started) throw new Error(`held by ${outcome.holder}`);
  return outcome.run.id;
}

/** Changes the record to a kind that this version does not know. */
async function setUnknownKind(id: string): Promise<void> {
  const held = await loadRun(bench.folder.store, id);
  await saveRun(bench.folder.store, held, { ...held.record, kind: 'condense' });
}

const ports = () => ({ clock: bench.clock, log: silentLog(), signer: UNSIGNED, store: bench.folder.store });

async function shown(id: string): Promise<RunView> {
  return (await (await showRun(ports(), new Request(`http://127.0.0.1/api/runs/${id}`))).json()) as RunView;
}

async function listed(query: string): Promise<Record<'runs' | 'kinds', Record<string, unknown>[]>> {
  const answer = await showRuns(ports(), new Request(`http://127.0.0.1/api/runs${query}`));
  return (await answer.json()) as Record<'runs' | 'kinds', Record<string, unknown>[]>;
}

const command = (...args: string[]) =>
  runHere(args, { BACKUP_STORE: pathToFileURL(bench.folder.folder).href, UPSTASH_REDIS_REST_TOKEN: 'x'.repeat(20) });

async function resumed() {
  const parts = {
    ports: ports(),
    times: TIMES,
    engine,
    queued: false,
    work: (id: string) => engine.work(id, bench.budget()),
  } as unknown as GuardParts;
  return resumeStuck(parts, bench.budget());
}

describe('a registered kind of run that no other code names', () => {
  it('is worked on, listed, filtered and shown by the API in its words', async () => {
    const id = await started();
    expect(await shown(id)).toMatchObject({
      title: 'compaction',
      aim: 'LIVE',
      ifCancelled: 'What is squeezed stays squeezed.',
      doing: 'gathering what is to go',
      ended: null,
      steps: [
        { phase: 'gather', words: 'gathering what is to go' },
        { phase: 'squeeze', words: 'squeezing' },
      ],
    });
    await engine.work(id, bench.budget());
    expect(await shown(id)).toMatchObject({
      state: 'succeeded',
      ended: 'Done',
      figures: [['Saved', '2.0 KiB']],
      cost: { commands: 12, estimatedUsd: 0.5 },
      ifCancelled: null,
    });
    const { kinds, runs } = await listed('?kind=compact');
    expect(runs).toMatchObject([{ runId: id, kind: 'compact', title: 'compaction' }]);
    expect(kinds).toContainEqual({ kind: 'compact', plural: 'Compactions' });
    expect((await listed('?kind=restore')).runs).toEqual([]);
    expect(spentBy([(await loadRun(bench.folder.store, id)).record])).toMatchObject({ commands: 12, unknown: 0 });
  });

  it('is listed and shown by the command line', async () => {
    const id = await started();
    await engine.work(id, bench.budget());
    const list = await command('run', '--kind', 'compact');
    expect([list.code, list.stdout]).toEqual([0, expect.stringMatching(new RegExp(`${id} +compaction +succeeded`))]);
    const one = await command('run', id);
    expect([one.code, one.stdout]).toEqual([0, expect.stringMatching(/Saved +2\.0 KiB/)]);
    expect(one.stdout).toContain(`${id}, a compaction`);
  });

  it('has its title on the page, which reads it from the API', async () => {
    const run = runSummary((await loadRun(bench.folder.store, await started())).record);
    const words = runWords(
      run,
      (project) => project,
      (iso) => iso,
    );
    expect(words).toBe('Compaction · LIVE');
  });

  it('is counted in the metrics while it runs', async () => {
    const run = runSummary((await loadRun(bench.folder.store, await started())).record);
    const open = metricsOf(status({ runs: [run] })).find(({ name }) => name === 'runs_open');
    expect(open?.samples).toContainEqual({ labels: { kind: 'compact' }, value: 1 });
    expect(open?.samples).toContainEqual({ labels: { kind: 'drill' }, value: 0 });
  });

  it('is resumed by the guard, and named in the alert', async () => {
    const id = await started();
    await bench.clock.advance(3 * TIMES.holdMs);
    const { conditions, summary } = await resumed();
    expect(summary).toEqual({ stuck: 1, resumed: 1, ended: 0 });
    expect(conditions[0]?.message).toContain(`Run ${id}, a compaction,`);
    expect((await bench.load(id)).state).toBe('succeeded');
  });

  it('opens its alert when it fails', async () => {
    const error = { code: 'internal', message: 'It did not fit', hint: 'Try less.' } as const;
    end = { to: 'end', state: 'failed', result: null, error };
    const id = await started();
    await engine.work(id, bench.budget());
    const facts = {
      now: Date.parse('2026-11-22T12:00:00Z'),
      runs: [await bench.load(id)],
      hasMoreRuns: false,
    } as unknown as Facts;
    const source = ALERT_SOURCES.find(({ codes }) => Object.hasOwn(codes, 'compact-failed'));
    expect(alertCodes()).toContain('compact-failed');
    expect(source?.find(facts, {} as never)).toEqual([
      {
        code: 'compact-failed',
        subject: 'compact',
        message: `Run ${id}, a compact, ended as failed: It did not fit`,
        hint: 'Try less.',
      },
    ]);
  });
});

describe('a kind of run that this version does not know', () => {
  it('is listed and shown with its name and the content of its record', async () => {
    const id = await started();
    await setUnknownKind(id);
    expect(await shown(id)).toMatchObject({ kind: 'condense', title: 'condense', doing: 'gathering what is to go' });
    expect((await listed('')).runs).toMatchObject([{ runId: id, title: 'condense' }]);
    const { code, stdout } = await command('run', id);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`${id}, a condense`)]);
  });

  it('is left alone by the guard, for the version that started it', async () => {
    const id = await started();
    await setUnknownKind(id);
    await bench.clock.advance(3 * TIMES.holdMs);
    const before = await bench.load(id);
    expect((await resumed()).summary).toEqual({ stuck: 0, resumed: 0, ended: 0 });
    expect(await bench.load(id)).toEqual(before);
    await expect(engine.work(id, bench.budget())).rejects.toMatchObject({ code: 'config' });
    expect(await bench.load(id)).toEqual(before);
  });
});

describe('the words for kinds of runs', () => {
  const kinds = RUN_KINDS.map(({ kind }) => kind).join('|');
  const byKind = new RegExp(`(\\bkind *[!=]== *|\\bcase )'(${kinds})'`);
  const folders = ['lib/runs', 'page/words'];
  const files = ['lib/http/run-view.ts', 'lib/http/runs.ts', 'page/views/runs.tsx', 'page/parts/live-run.tsx'];

  it('appear only with the kinds, never in code that shows any run', () => {
    const inFolders = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
    const naming = [...inFolders, ...files].filter((path) => linesOf(path).some((line) => byKind.test(line)));
    expect(naming).toEqual([]);
  });

  const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n');
});
