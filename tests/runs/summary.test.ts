import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '../../lib/app/in-process.js';
import { AppError } from '../../lib/errors.js';
import type { Queue, QueueMessage } from '../../lib/ports/queue.js';
import { createEngine, type Engine } from '../../lib/runs/engine.js';
import { viewRun, runSummary, type RunSummary } from '../../lib/runs/summary.js';
import { runRecordSchema, type RunDefinition } from '../../lib/runs/model.js';
import { reindexRun } from '../../lib/reindex/run.js';
import { drillRun } from '../../lib/restore/drill/run.js';
import { restoreRun } from '../../lib/restore/run.js';
import { snapshotRun } from '../../lib/snapshot/run.js';
import { verifyRun } from '../../lib/snapshot/verify.js';
import { openBench, TIMES, type Bench } from './bench.js';

const down = (retryAfterMs?: number): AppError =>
  new AppError('redis-unavailable', 'Redis does not answer', {
    hint: 'Wait.',
    transient: true,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });

let bench: Bench;
let engine: Engine;
let sent: QueueMessage[];
beforeEach(async () => {
  bench = await openBench();
  sent = [];
  // A queue of another machine, as QStash is.
  const queue = {
    publish: (messages: QueueMessage[]) => Promise.resolve(void sent.push(...messages)),
  } as unknown as Queue;
  const ports = { clock: bench.clock, log: silentLog(), queue, store: bench.folder.store };
  engine = createEngine(ports, [definition()], TIMES);
});
afterEach(() => bench.folder.remove());

function definition(): RunDefinition {
  const progress = (done: number) => ({ done, total: 3, unit: 'items', bytes: 0 }) as const;
  return {
    kind: 'verify',
    lease: 'verify',
    firstPhase: 'open',
    words: { open: 'opening the book', work: 'reading every page' },
    phases: {
      open: {
        type: 'serial',
        step: () => {
          bench.fault('open');
          return Promise.resolve({ to: 'phase', phase: 'work', tasks: 3, checkpoint: null, progress: progress(0) });
        },
      },
      work: {
        type: 'tasks',
        next: 'open',
        inline: 0,
        parallelism: 3,
        task: (_, at) => {
          bench.fault(`task ${at}`);
          return Promise.resolve(at);
        },
        progress: (_, done) => progress(done),
      },
    },
  };
}

async function start(): Promise<string> {
  const input = { snapshot: 'S', scope: { project: 'acme' }, mode: 'replace', dryRun: true };
  const progress = { done: 0, total: null, unit: 'items', bytes: 0 } as const;
  const started = await engine.start({ kind: 'verify', input, trigger: 'admin', checkpoint: null, progress });
  if (!started.started) throw new Error('held');
  return started.run.id;
}
const loadSummary = async (id: string): Promise<RunSummary> => runSummary(await viewRun(bench.folder.store, id));
const now = (): string => new Date(bench.clock.now()).toISOString();

describe('the summary of a run', () => {
  it('has the request, the trigger and no attempt at the start', async () => {
    expect(await loadSummary(await start())).toMatchObject({
      kind: 'verify',
      title: 'verification',
      asked: 'snapshot S, project acme, mode replace, dry run',
      trigger: 'admin',
      doing: 'opening the book',
      attempts: 0,
      progressedAt: null,
      lastError: null,
      nextAttemptAt: null,
    });
  });

  it('has the error of an attempt that is retried, and the latest time of the retry', async () => {
    const id = await start();
    bench.fault = () => {
      throw down();
    };
    await expect(engine.work(id, bench.budget())).rejects.toMatchObject({ code: 'redis-unavailable' });
    const budgetMs = 100_000;
    const latest = new Date(bench.clock.now() + budgetMs + 2 * TIMES.attemptTtlMs).toISOString();
    const lastError = { code: 'redis-unavailable', message: 'Redis does not answer', at: now() };
    expect(await loadSummary(id)).toMatchObject({
      state: 'running',
      error: null,
      attempts: 1,
      lastError,
      nextAttemptAt: latest,
    });
    expect(sent).toHaveLength(1);
    bench.fault = () => {
      throw down(7000);
    };
    await expect(engine.work(id, bench.budget())).rejects.toMatchObject({ code: 'redis-unavailable' });
    const asked = new Date(bench.clock.now() + 7000).toISOString();
    expect(await loadSummary(id)).toMatchObject({ attempts: 2, nextAttemptAt: asked });
  });

  it('has the words of its phase, its last progress, and the error of a task delivered by the queue', async () => {
    const id = await start();
    await bench.clock.advance(5000);
    await engine.work(id, bench.budget());
    expect(await loadSummary(id)).toMatchObject({ doing: 'reading every page', progressedAt: now(), attempts: 1 });
    await bench.clock.advance(60_000);
    bench.fault = (at) => {
      if (at === 'task 2') throw down();
    };
    await engine.deliver(JSON.stringify({ run: id, phase: 'work', task: 1 }), bench.budget());
    expect(await loadSummary(id)).toMatchObject({
      progress: { done: 1, total: 3 },
      progressedAt: now(),
      lastError: null,
    });
    const failing = engine.deliver(JSON.stringify({ run: id, phase: 'work', task: 2 }), bench.budget());
    await expect(failing).rejects.toMatchObject({ code: 'redis-unavailable' });
    expect(await loadSummary(id)).toMatchObject({
      state: 'running',
      lastError: { code: 'redis-unavailable', at: now() },
    });
  });

  it('keeps the last error when the run ends, and has no next attempt', async () => {
    const id = await start();
    bench.fault = () => {
      throw down();
    };
    await engine.work(id, bench.budget({ lastAttempt: true }));
    const error = { code: 'redis-unavailable', message: 'Redis does not answer' };
    expect(await loadSummary(id)).toMatchObject({
      state: 'failed',
      error,
      lastError: { ...error, at: now() },
      nextAttemptAt: null,
    });
  });

  it('reads a record of an earlier version', async () => {
    const run = await bench.load(await bench.start());
    const added = new Set(['attempts', 'doing', 'lastError', 'nextAttemptAt', 'progressedAt', 'trigger']);
    const former = Object.fromEntries(Object.entries(run).filter(([field]) => !added.has(field)));
    const read = runSummary(runRecordSchema.parse(former));
    expect(read).toMatchObject({ doing: 'count', attempts: 0, lastError: null, trigger: null });
  });
});

it('has words for every phase of every kind', () => {
  const none = { embedder: { limits: { textsPerMinute: null, tokensPerMinute: null } } } as never;
  const definitions = [snapshotRun, verifyRun, restoreRun, drillRun, reindexRun].map((define) => define(none, none));
  expect(definitions.map(({ kind }) => kind)).toEqual(['snapshot', 'verify', 'restore', 'drill', 'reindex']);
  for (const { phases, words } of definitions)
    expect(Object.keys(phases).filter((phase) => (words[phase] ?? '') === '')).toEqual([]);
});
