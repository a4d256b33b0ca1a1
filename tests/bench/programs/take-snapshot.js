import { PerformanceObserver } from 'node:perf_hooks';
import { fullApp } from '../../../dist/lib/app/app.js';
import { environment } from '../../../dist/lib/app/config.js';
import { loadManifest } from '../../../dist/lib/snapshot/manifest.js';
import { startSnapshot } from '../../../dist/lib/snapshot/run.js';
import { peakMemory, processorSeconds } from './peak-memory.js';
import { recordRequests } from './record-requests.js';

/**
 * Takes one snapshot as the environment says, in this process, and prints what it took as one line of JSON. With the
 * path of a file, the requests to the database go there: see record-requests.js.
 */
const SAMPLE_MS = 10;

/** Samples what the process spends; what it returns gives the share that falls into a time, in ms since the epoch. */
function watchReading() {
  /** @type {{at: number, cpu: number}[]} */
  const samples = [];
  const timer = setInterval(() => samples.push({ at: Date.now(), cpu: processorSeconds() }), SAMPLE_MS);
  /** @type {{at: number, ms: number}[]} */
  const pauses = [];
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) {
      pauses.push({ at: performance.timeOrigin + startTime, ms: duration });
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return (/** @type {number} */ from, /** @type {number} */ to) => {
    clearInterval(timer);
    const inside = samples.filter(({ at }) => at >= from - SAMPLE_MS && at <= to + SAMPLE_MS);
    const ours = pauses.filter(({ at }) => at >= from && at <= to);
    return {
      readCpuSeconds: (inside.at(-1)?.cpu ?? 0) - (inside[0]?.cpu ?? 0),
      readGcMs: ours.reduce((sum, { ms }) => sum + ms, 0),
    };
  };
}

const [file] = process.argv.slice(2);
const env = environment();
const recorder = file === undefined ? null : await recordRequests(env['UPSTASH_REDIS_REST_URL'] ?? '', file);
const app = fullApp(recorder === null ? env : { ...env, UPSTASH_REDIS_REST_URL: recorder.url });
const cpuBefore = processorSeconds();
const reading = watchReading();
const started = await startSnapshot(app.engine, 'cli');
if (!started.started) throw new Error('another run is in progress in this store');
const budget = { deadline: Infinity, lastAttempt: true, interrupt: new AbortController().signal };
const run = await app.work(started.run.id, budget);
const [peakBytes, cpuSeconds] = [await peakMemory(), processorSeconds() - cpuBefore];
const manifest = (await loadManifest(app.ports.store, run.id))?.manifest;
if (manifest === undefined) throw new Error(`the snapshot ${run.state}: ${run.error?.message ?? ''}`);

await recorder?.stop();
const time = (/** @type {string | null} */ text) => Date.parse(text ?? '');
const result = {
  id: run.id,
  state: run.state,
  keys: manifest.counts.keys,
  parts: manifest.parts.length,
  doubles: manifest.doubles.length,
  ledger: manifest.ledger,
  plainBytes: manifest.parts.reduce((sum, part) => sum + part.plain.bytes, 0),
  storedBytes: manifest.parts.reduce((sum, part) => sum + part.stored.bytes, 0),
  requests: manifest.spent.requests,
  commands: manifest.spent.commands,
  receivedBytes: manifest.spent.bytesReceived,
  scanMs: time(manifest.window.to) - time(manifest.window.from),
  readBackMs: time(manifest.readBackAt) - time(manifest.window.to),
  totalMs: time(run.finishedAt) - time(run.createdAt),
  peakBytes,
  cpuSeconds,
  ...reading(time(manifest.window.from), time(manifest.window.to)),
  inFlight: app.limits.BACKUP_REQUESTS_IN_FLIGHT,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
