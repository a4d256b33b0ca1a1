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
/** Rarely: to ask costs half a millisecond of what is measured. */
const SAMPLE_MS = 100;

/** Samples what the process spends; what it returns gives the share that falls into a time, in ms since the epoch. */
function watchReading() {
  /** @type {{at: number, cpu: number}[]} */
  const samples = [];
  const sample = () => samples.push({ at: Date.now(), cpu: processorSeconds() });
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
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
    sample();
    const ours = pauses.filter(({ at }) => at >= from && at <= to);
    return {
      readCpuSeconds: spentBy(samples, to) - spentBy(samples, from),
      readGcMs: ours.reduce((sum, { ms }) => sum + ms, 0),
    };
  };
}

/** What was spent by a moment, on the line between the samples around it. */
function spentBy(/** @type {readonly {at: number, cpu: number}[]} */ samples, /** @type {number} */ moment) {
  const after = samples.findIndex(({ at }) => at >= moment);
  const [before, next] = [samples[after - 1], samples[after]];
  if (next === undefined) return samples.at(-1)?.cpu ?? 0;
  if (before === undefined || next.at === before.at) return next.cpu;
  return before.cpu + ((next.cpu - before.cpu) * (moment - before.at)) / (next.at - before.at);
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
