import { silentLog } from '../../lib/app/in-process.js';
import { fullApp, type FullApp } from '../../lib/app/app.js';
import { undoOf } from '../../lib/cli/restore/ending.js';
import { AppError, exitCodeOf, toAppError } from '../../lib/errors.js';
import type { Queue, QueueMessage } from '../../lib/ports/queue.js';
import { findSnapshot } from '../../lib/restore/choose.js';
import { prepareRestore, startRestore, type RestoreRequest } from '../../lib/restore/start.js';
import { cancelRun } from '../../lib/runs/engine.js';
import { isOver, type RunRecord } from '../../lib/runs/model.js';
import { loadRun } from '../../lib/runs/records.js';
import { loadManifest } from '../../lib/snapshot/manifest.js';
import { startSnapshot } from '../../lib/snapshot/run.js';
import { sourceOf } from '../../lib/snapshot/source.js';
import type { Outcome, Variables } from './product.js';

export type QueuedWork = { readonly backup: true } | { readonly restore: RestoreRequest };

/** A run that takes more deliveries than this gets nowhere. */
const MOST_DELIVERIES = 600;
const MOST_TRIES = 8;

interface Waiting {
  readonly message: QueueMessage;
  readonly tries: number;
}

/**
 * Works on a run as the functions do: messages come late, in any order, some twice or two at the same time, and each call
 * has hardly any time. What the run ends with is told as the command would.
 */
export async function overQueue(work: QueuedWork, env: Variables, seed: number): Promise<Outcome> {
  const waiting: Waiting[] = [];
  const queue: Queue = {
    publish(messages) {
      waiting.push(...messages.map((message) => ({ message, tries: 0 })));
      return Promise.resolve();
    },
    verify: () => Promise.resolve(false),
    health: () => Promise.resolve({ signingKeys: 'same' }),
  };
  const args = 'restore' in work ? ['restore', work.restore.snapshot, '(queue)'] : ['backup', '(queue)'];
  try {
    const app = fullApp(env, { queue, log: silentLog() });
    const id = await begin(app, work);
    await app.engine.enqueue(id);
    const run = await deliverAll(app, waiting, id, randomOf(seed));
    return { args, ...(await told(app, work, run)) };
  } catch (caught) {
    return { args, ...failed(toAppError(caught), {}) };
  }
}

async function begin({ engine, ports }: FullApp, work: QueuedWork): Promise<string> {
  const started =
    'restore' in work
      ? await startRestore(engine, await prepareRestore(ports, await confirmed(ports, work.restore)))
      : await startSnapshot(engine, 'cli');
  if (started.started) return started.run.id;
  throw new AppError('locked', `held by ${started.holder}`, { hint: '' });
}

/** As the command line does it: what was chosen is what is confirmed. */
async function confirmed(ports: FullApp['ports'], request: RestoreRequest): Promise<RestoreRequest> {
  const { id } = await findSnapshot(ports, sourceOf(ports.redis.host), request.snapshot, request.at);
  return { ...request, snapshot: id, at: null, confirm: id };
}

async function deliverAll(app: FullApp, waiting: Waiting[], id: string, random: () => number): Promise<RunRecord> {
  const { engine, ports } = app;
  for (let count = 0; count < MOST_DELIVERIES; count++) {
    const { record } = await loadRun(ports.store, id);
    if (isOver(record)) return record;
    // What is to come later comes when nothing else does.
    const now = waiting.filter(({ message }) => message.delaySeconds === 0);
    const from = now.length > 0 ? now : waiting;
    const next = from[Math.floor(random() * from.length)];
    if (next === undefined) break;
    waiting.splice(waiting.indexOf(next), 1);
    await deliver(app, waiting, next, random);
  }
  // The queue gave up: an operator ends the run.
  return cancelRun(engine, id);
}

async function deliver(app: FullApp, waiting: Waiting[], next: Waiting, random: () => number): Promise<void> {
  const lastAttempt = next.tries >= MOST_TRIES;
  const once = (): Promise<unknown> => {
    const deadline = Date.now() + (random() < 0.3 ? 5 : 2_000);
    return app.engine.deliver(next.message.body, { deadline, lastAttempt, interrupt: new AbortController().signal });
  };
  const times = random() < 0.15 ? 2 : 1;
  const results = await Promise.allSettled(Array.from({ length: times }, once));
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [toAppError(result.reason)] : []));
  const lost = errors.find(({ transient }) => !transient);
  if (lost !== undefined && lost.code === 'internal') throw lost;
  const isToBeRepeated = errors.some(({ transient }) => transient) && !lastAttempt;
  if (isToBeRepeated) waiting.push({ ...next, tries: next.tries + 1 });
  else if (random() < 0.1) waiting.push({ message: next.message, tries: 0 });
}

async function told(app: FullApp, work: QueuedWork, run: RunRecord): Promise<Omit<Outcome, 'args'>> {
  const error = run.error === null ? null : new AppError('interrupted', run.error.message, { hint: run.error.hint });
  const result = typeof run.result === 'object' ? (run.result as Record<string, unknown> | null) : {};
  const { store } = app.ports;
  const undo = 'restore' in work ? await undoOf(store, run) : null;
  const taken = 'restore' in work || run.state === 'failed' ? null : await loadManifest(store, run.id);
  const snapshot = taken === null ? {} : { snapshot: taken.manifest.id };
  const document = { run: run.id, runId: run.id, state: run.state, ...(result ?? {}), ...snapshot };
  if (error !== null) return failed(error, document, run.error?.code);
  return { code: 0, json: { ...document, error: null }, text: undo === null ? '' : `undo ${undo.words}\n` };
}

function failed(error: AppError, document: object, code: string = error.code): Omit<Outcome, 'args'> {
  const { hint, message } = error;
  return {
    code: exitCodeOf(error.code) === 0 ? 1 : exitCodeOf(error.code),
    json: { ...document, error: { code, message, hint } },
    text: `error: ${message}\nhint: ${hint}\n`,
  };
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
