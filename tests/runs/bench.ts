import { inProcessQueue, drive, silentLog } from '../../lib/app/in-process.js';
import type { Json } from '../../lib/json.js';
import { createEngine, type Engine } from '../../lib/runs/engine.js';
import type { Budget } from '../../lib/runs/attempt.js';
import type { Attempt, RunDefinition, RunRecord, StepOutcome, TaskPhase } from '../../lib/runs/model.js';
import { loadRun } from '../../lib/runs/records.js';
import { folderStore, type FolderStore } from '../support/folder-store.js';
import { manualClock, type ManualClock } from '../support/clocks.js';

export const TIMES = { attemptTtlMs: 60_000, holdMs: 600_000 };
export const TASKS = 7;
/** 0 + 1 + ... + 6: the result of a run that did each task once. */
export const SUM = 21;

const PROGRESS = { done: 0, total: null, unit: 'items', bytes: 0 } as const;

/** An engine over a real folder, with a run that counts to 5 in attempts of one, does 7 tasks and adds up their results. */
export interface Bench {
  readonly clock: ManualClock;
  readonly folder: FolderStore;
  readonly engine: Engine;
  /** What the run did, in order. */
  readonly did: string[];
  /** Called at each point where a fault can be injected; the run waits for it. */
  fault: (at: string) => unknown;
  start(engine?: Engine): Promise<string>;
  /** Works on a run to its end within this process. */
  drive(id: string, changes?: Partial<Budget>): Promise<RunRecord>;
  budget(changes?: Partial<Budget>): Budget;
  load(id: string): Promise<RunRecord>;
  /** Takes all waiting messages. */
  takeAll(): string[];
  /** Another engine over the same store, for runs of another definition (null: the same), or of another database. */
  engineOf(definition: RunDefinition | null, source?: string): Engine;
}

export async function openBench(inline = 0, shape: Partial<TaskPhase> = {}): Promise<Bench> {
  const clock = manualClock();
  const folder = await folderStore(clock);
  const queue = inProcessQueue();
  const engineOf = (definition: RunDefinition | null, source: string | null = null): Engine => {
    const ports = { clock, log: silentLog(), queue, store: folder.store };
    return createEngine(ports, [definition ?? counting(inline, did, point, shape)], TIMES, source);
  };
  const did: string[] = [];
  const point = async (at: string): Promise<void> => {
    await bench.fault(at);
  };
  const bench: Bench = {
    clock,
    folder,
    engine: engineOf(null),
    did,
    fault: () => undefined,
    async start(engine = bench.engine) {
      const started = await engine.start({ kind: 'drill', input: null, checkpoint: 0, progress: PROGRESS });
      if (!started.started) throw new Error(`held by ${started.holder}`);
      return started.run.id;
    },
    drive: (id, changes) => drive(bench.engine, clock, () => queue.take(), id, bench.budget(changes)),
    budget(changes = {}) {
      return {
        deadline: clock.now() + 100_000,
        lastAttempt: false,
        interrupt: new AbortController().signal,
        ...changes,
      };
    },
    load: async (id) => (await loadRun(folder.store, id)).record,
    takeAll() {
      const bodies: string[] = [];
      for (let body = queue.take(); body !== null; body = queue.take()) bodies.push(body);
      return bodies;
    },
    engineOf,
  };
  return bench;
}

function counting(
  inline: number,
  did: string[],
  point: (at: string) => Promise<void>,
  shape: Partial<TaskPhase>,
): RunDefinition {
  const happen = (what: string): Promise<void> => {
    did.push(what);
    return point(what);
  };
  const count = async (attempt: Attempt): Promise<StepOutcome> => {
    const next = (attempt.run.checkpoint as number) + 1;
    await happen(`count ${next}`);
    await attempt.save(next, { ...PROGRESS, done: next - 1 });
    await point(`saved ${next}`);
    if (next < 5) return { to: 'later', checkpoint: next, progress: { ...PROGRESS, done: next } };
    return { to: 'phase', phase: 'work', tasks: TASKS, checkpoint: next, progress: PROGRESS };
  };
  const sum = async (attempt: Attempt): Promise<StepOutcome> => {
    let total = 0;
    for await (const { result } of attempt.results('work')) total += result as number;
    await happen('sum');
    return { to: 'end', state: 'succeeded', result: total, error: null };
  };
  const task = async (_run: unknown, at: number): Promise<Json> => {
    await happen(`task ${at}`);
    return at;
  };
  const progress = (_: unknown, done: number) => ({ ...PROGRESS, done });
  const work = { type: 'tasks', next: 'sum', inline, parallelism: 3, task, progress, ...shape } as const;
  const phases = { count: { type: 'serial', step: count }, work, sum: { type: 'serial', step: sum } } as const;
  return { kind: 'drill', lease: 'drill', firstPhase: 'count', words: {}, phases };
}
