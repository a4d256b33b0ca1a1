import { storeApp } from '../../../dist/lib/app/app.js';
import { environment } from '../../../dist/lib/app/config.js';
import { startVerify } from '../../../dist/lib/snapshot/verify.js';
import { peakMemory } from './peak-memory.js';

/** Verifies the snapshot of the id given, in the store of the environment, and prints the outcome as one line of JSON. */
const [id = ''] = process.argv.slice(2);
const app = storeApp(environment());
const started = await startVerify(app.engine, id);
if (!started.started) throw new Error('another run is in progress in this store');
const budget = { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };
const run = await app.work(started.run.id, budget);
const result = {
  state: run.state,
  result: run.result,
  error: run.error,
  totalMs: Date.parse(run.finishedAt ?? '') - Date.parse(run.createdAt),
  peakBytes: await peakMemory(),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
