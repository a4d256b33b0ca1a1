import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { connect } from '../../dist/lib/app/connect.js';
import { itemText } from '../../dist/lib/reindex/items.js';
import { ensurePrograms, REDIS_SERVER } from '../../dist/dev/packages.js';
import { projectRoot } from '../../dist/lib/project-root.js';
import { startStack } from '../../dist/dev/stack/index.js';
import { machine } from './figures.js';
import { built, startNode } from './processes.js';
import { watchInstances } from './watch.js';

const PROJECT = 'bench';
const WARM_UP = 'warm-up';
/** To show how far a run is, a function lists its markers: that is work, too. */
const LOOK_MS = 2000;
/** Two batches for each instance. */
const WARM_UP_ITEMS = 2000;
const BATCH = 100;
/** Deliveries and, with that, calls of the embedder at a time: the free plan's. */
const PARALLELISM = 10;
/** Batches of the sequential loop that are timed; the rest is projected. */
const SEQUENTIAL_BATCHES = 15;

/**
 * Measures the re-index of one large project over the queue: every server in a separate process, but the queue, which
 * is in this one. `delayMs` is what each call of the embedder takes.
 * @param {{items: number, delays: readonly number[]}} options
 * @param {(line: string) => void} announce
 */
export async function benchReindex({ items, delays }, announce) {
  await ensurePrograms([REDIS_SERVER], announce);
  const rows = [];
  for (const delayMs of delays) {
    for (const count of [Math.max(BATCH, Math.round(items / 10)), items]) {
      announce(`${count} items, ${delayMs} ms a call`);
      rows.push(await measure(count, delayMs));
    }
  }
  return { machine: machine(), batch: BATCH, parallelism: PARALLELISM, rows };
}

async function measure(/** @type {number} */ items, /** @type {number} */ delayMs) {
  const gemini = await startNode([built('dev/gemini/main'), '--vectors', 'hash', '--delay-ms', String(delayMs)]);
  const vector = await startNode([built('dev/upstash-vector/main')]);
  const stack = await startStack({
    root: projectRoot(),
    functions: { onLog: () => undefined, maxInstances: PARALLELISM + 2 },
    variables: {
      GEMINI_BASE_URL: gemini.ready.url,
      GEMINI_API_KEY: gemini.ready.apiKey,
      UPSTASH_VECTOR_REST_URL: vector.ready.url,
      UPSTASH_VECTOR_REST_TOKEN: vector.ready.token,
      REINDEX_BATCHES_AT_A_TIME: String(PARALLELISM),
      // What the program can is measured; what it is allowed, an operator chooses.
      BACKUP_COMMANDS_PER_SECOND: '0',
    },
  });
  try {
    // Starting ten processes of node takes these cores ten seconds: that is not what is measured.
    await load(stack.urls.redis, WARM_UP, WARM_UP_ITEMS);
    await reindex(stack, WARM_UP, () => Promise.resolve(0));
    await load(stack.urls.redis, PROJECT, items);
    const sequentialMs = await sequentialLoop(stack.env, items);
    const before = await usedBy(stack.urls.redis);
    const watch = watchInstances();
    const { run, embedCpuSeconds } = await reindex(stack, PROJECT, watch.cpuSeconds);
    const { peakRss, cpuSeconds } = await watch.end();
    const { result } = run;
    if (run.state !== 'succeeded' || result.embedded !== items)
      throw new Error(`the run ${run.state}: ${JSON.stringify(run.error)}`);
    const after = await usedBy(stack.urls.redis);
    const batches = Math.ceil(items / BATCH);
    const idealMs = (Math.ceil(items / BATCH) / PARALLELISM) * delayMs;
    const embedMs = result.phases.embed;
    return {
      items,
      delayMs,
      embedMs,
      idealMs,
      ratio: idealMs / embedMs,
      // What all processes together took of the processors, spread over all cores, is the least time there can be.
      coresMs: (embedCpuSeconds * 1000) / machine().cores,
      sequentialMs,
      totalMs: result.milliseconds,
      phases: result.phases,
      calls: result.calls,
      commandsPerItem: (after.commands - before.commands) / items,
      bytesPerItem: (after.bytes - before.bytes) / items,
      cpuMsPerBatch: (embedCpuSeconds * 1000) / batches,
      peakRss,
      cpuSeconds,
      largestMessage: Math.max(...stack.queue.deliveries.map(({ body }) => Buffer.byteLength(body))),
      messages: stack.queue.deliveries.length,
    };
  } finally {
    await stack.stop();
    await vector.stop();
    await gemini.stop();
  }
}

/**
 * What the database was asked and sent so far. TYPE is left out: the stand-in asks it for each key of a SCAN with types,
 * which is one command at Upstash.
 */
async function usedBy(/** @type {string} */ url) {
  const redis = new Redis(url, { protocol: 2 });
  const info = `${await redis.info('stats')}\n${await redis.info('commandstats')}`;
  redis.disconnect();
  const figure = (/** @type {string} */ name) => Number(new RegExp(`${name}[:=](\\d+)`).exec(info)?.[1] ?? 0);
  const bytes = figure('total_net_input_bytes') + figure('total_net_output_bytes');
  return { commands: figure('total_commands_processed') - figure('cmdstat_type:calls'), bytes };
}

/** Items of the size that feedback has: a title and some sentences. */
async function load(/** @type {string} */ url, /** @type {string} */ project, /** @type {number} */ items) {
  const redis = new Redis(url, { protocol: 2 });
  await redis.hset(`project:${project}`, { id: project, user_id: 'user', name: 'Benchmark' });
  for (let from = 0; from < items; from += 1000) {
    const pipeline = redis.pipeline();
    for (let at = from; at < Math.min(items, from + 1000); at++) {
      const id = `item-${String(at).padStart(7, '0')}`;
      const body = `This is what somebody wrote about case ${at}. `.repeat(8);
      pipeline.hset(`feedback:${project}:${id}`, {
        id,
        title: `Case ${at}`,
        body,
        source: 'manual',
        created_at: '2026-01-01T00:00:00+00:00',
      });
    }
    await pipeline.exec();
  }
  redis.disconnect();
}

/** The plain loop: read a batch, embed it, write its vectors, and only then the next. */
async function sequentialLoop(/** @type {Readonly<Record<string, string>>} */ env, /** @type {number} */ items) {
  const { redis, vectors, embedder } = connect(env, ['redis', 'vectors', 'embedder']);
  const batches = Math.min(SEQUENTIAL_BATCHES, Math.ceil(items / BATCH));
  const from = performance.now();
  for (let batch = 0; batch < batches; batch++) {
    const ids = Array.from({ length: BATCH }, (_, at) => `item-${String(batch * BATCH + at).padStart(7, '0')}`);
    const replies = await redis.pipeline(ids.map((id) => ['HMGET', `feedback:${PROJECT}:${id}`, 'title', 'body']));
    const texts = replies.map((reply) => {
      const [title, body] = reply.value;
      return itemText({ title: String(title), body: String(body), rawText: null }, 1500);
    });
    const values = await embedder.embed(texts);
    const metadata = { title: '', source: 'manual', cluster_id: '', created_at: '' };
    await vectors.upsert(
      'sequential',
      ids.map((id, at) => ({ id, values: values[at], metadata })),
    );
  }
  const milliseconds = performance.now() - from;
  await vectors.remove('sequential', 'all');
  return (milliseconds / batches) * Math.ceil(items / BATCH);
}

/**
 * @param {import('../../dist/dev/stack/index.js').Stack} stack
 * @param {string} project
 * @param {() => Promise<number>} cpuSeconds of all processes until now
 */
async function reindex(stack, project, cpuSeconds) {
  const headers = { authorization: `Bearer ${stack.secrets.adminToken}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ scope: { project } });
  const started = await fetch(`${stack.urls.functions}/api/reindex`, { method: 'POST', headers, body });
  const { runId } = await started.json();
  /** Processor seconds when the embedding began and when it was over. */
  const at = { begin: Number.NaN, end: Number.NaN };
  for (;;) {
    await delay(LOOK_MS);
    const run = await (await fetch(`${stack.urls.functions}/api/runs/${runId}`, { headers })).json();
    if (run.phase === 'embed') {
      at.end = await cpuSeconds();
      if (Number.isNaN(at.begin)) at.begin = at.end;
    }
    if (run.finishedAt !== null) return { run, embedCpuSeconds: at.end - at.begin };
  }
}
