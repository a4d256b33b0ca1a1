import { parseArgs } from 'node:util';
import { fullApp } from '../../../dist/lib/app/app.js';
import { environment } from '../../../dist/lib/app/config.js';
import { prepareRestore, startRestore } from '../../../dist/lib/restore/start.js';
import { restoreRun } from '../../../dist/lib/restore/run.js';
import { restoreSettings } from '../../../dist/lib/app/settings.js';
import { createEngine } from '../../../dist/lib/runs/engine.js';
import { loadRun } from '../../../dist/lib/runs/records.js';
import { peakMemory, processorSeconds } from './peak-memory.js';
import { recordRequests } from './record-requests.js';

/**
 * Restores the snapshot `--id ID` whole into the database of the environment, in this process, and prints what came of
 * it as one line of JSON. With `--record FILE` the requests of the write phase go to that file: see record-requests.js.
 * `--tasks N`: this many parts are worked on at a time, as functions of a queue would.
 */
const { values } = parseArgs({
  options: {
    id: { type: 'string', default: '' },
    record: { type: 'string', default: '' },
    tasks: { type: 'string', default: '0' },
  },
});
const env = environment();
let run = '';
const recorder =
  values.record === '' ? null : await recordRequests(env['UPSTASH_REDIS_REST_URL'] ?? '', values.record, isWriting);
const app = fullApp(recorder === null ? env : { ...env, UPSTASH_REDIS_REST_URL: recorder.url });

/** Phases follow one another, so that the one in the record is the one that a request belongs to. */
async function isWriting() {
  return run !== '' && (await loadRun(app.ports.store, run)).record.phase === 'write';
}

/** Counts what each phase spends: whenever the run's record is saved it says which one begins, or goes on. */
function countPhases(/** @type {Pick<typeof app.ports, 'redis' | 'store'>} */ { redis, store }) {
  /** @type {Record<string, {commands: number, requests: number}>} */
  const spent = {};
  let [phase, before] = ['', redis.usage()];
  const swap = store.swap.bind(store);
  store.swap = async (name, body, etag) => {
    const swapped = await swap(name, body, etag);
    if (name !== `runs/${run}/run.json`) return swapped;
    const { commands, requests } = redis.usage();
    const sum = (spent[phase] ??= { commands: 0, requests: 0 });
    sum.commands += commands - before.commands;
    sum.requests += requests - before.requests;
    before = redis.usage();
    ({ phase } = JSON.parse(Buffer.from(body).toString('utf8')));
    return swapped;
  };
  return spent;
}

const spentOf = countPhases(app.ports);
function workOnParts(/** @type {number} */ inline) {
  const definition = restoreRun(app.ports, { ...restoreSettings(env, false), inline });
  return createEngine(app.ports, [definition], app.times).work(run, budget);
}

const cpuBefore = processorSeconds();
const started = await startRestore(
  app.engine,
  await prepareRestore(app.ports, {
    snapshot: values.id,
    at: null,
    scope: { all: true },
    mode: 'replace',
    expiry: 'keep',
    dryRun: false,
    target: null,
    safety: true,
    settle: false,
    confirm: values.id,
    // The recorder is in front of the same database under an address of its.
    fromSource: recorder !== null,
    allowIncomplete: false,
    trigger: 'cli',
  }),
);
if (!started.started) throw new Error('another run is in progress in this store');
run = started.run.id;
const budget = { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };
const ended = values.tasks === '0' ? await app.work(run, budget) : await workOnParts(Number(values.tasks));
const [peakBytes, cpuSeconds] = [await peakMemory(), processorSeconds() - cpuBefore];
await recorder?.stop();
if (ended.result === null) throw new Error(`the restore ${ended.state}: ${ended.error?.message ?? ''}`);

const result = /** @type {any} */ (ended.result);
const printed = {
  id: run,
  state: ended.state,
  error: ended.error,
  targetEmpty: result.targetEmpty,
  undo: result.undo,
  plan: result.plan.total,
  proof: result.proof.total,
  written: result.written,
  removed: result.removed,
  extras: result.extras,
  writing: result.writing,
  /** Of the whole run, the safety snapshot included. */
  spent: app.ports.redis.usage(),
  spentOf,
  writeMs: result.phases.write,
  totalMs: result.milliseconds,
  phases: result.phases,
  peakBytes,
  cpuSeconds,
};
process.stdout.write(`${JSON.stringify(printed)}\n`);
