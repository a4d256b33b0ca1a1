import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePrograms, findProgram, REDIS_SERVER } from '../../dist/dev/packages.js';
import { machine } from './figures.js';
import { productFlags, program, runNode, runProgram } from './processes.js';
import { hottestFunctions } from './profile.js';
import { setStage } from './stage.js';
import { median } from './statistics.js';

const REDIS_CLI = { binary: 'redis-cli', packages: ['redis-tools'] };

/**
 * @typedef {object} BenchOptions
 * @property {import('./stage.js').Data} data
 * @property {number} rounds
 * @property {number} latencyMs
 * @property {boolean} profile
 * @property {{items: number, delays: readonly number[]}} reindex
 * @property {{rate: number, projects: number, items: number, small: number}} limiter
 *
 * @typedef {object} Round What one round measured; the processes ran one after the other.
 * @property {any} snapshot
 * @property {any} wire
 * @property {any} floor the wire, and the least that the format demands of its replies
 * @property {{totalMs: number, bytes: number}} rdb
 * @property {Way} commands
 * @property {Way} dump
 * @property {Way} restore of what `dump` took, into the emptied database
 *
 * @typedef {{keys: number, bytes: number, commands: number, totalMs: number, cpuSeconds: number}} Way See programs/other-way.js.
 */

/**
 * Measures a snapshot against what the wire allows: the very same requests with their replies thrown away, and beside
 * both `redis-cli --rdb`. The first snapshot, which writes the requests down, warms everything up and does not count.
 * @param {BenchOptions} options
 * @param {(line: string) => void} announce
 */
export async function benchSnapshot(options, announce) {
  await ensurePrograms([REDIS_SERVER, REDIS_CLI], announce);
  announce('loading data');
  const stage = await setStage(options.data, options.latencyMs);
  try {
    announce(`${stage.keys} keys; recording the requests of a snapshot`);
    const requests = join(stage.folder, 'requests');
    const { inFlight, requests: count } = await snapshot(stage, [requests]);
    await expectLines(requests, count);
    const rounds = [];
    for (let round = 1; round <= options.rounds; round++) {
      announce(`round ${round} of ${options.rounds}`);
      rounds.push(await measure(stage, requests, inFlight, round));
    }
    const hottest = options.profile ? await profile(stage) : null;
    return { machine: machine(), options, inFlight, medians: summarise(rounds), rounds, hottest };
  } finally {
    await stage.stop();
  }
}

/** Takes turns in who goes first, so that nobody profits from what warms up. */
async function measure(
  /** @type {import('./stage.js').Stage} */ stage,
  /** @type {string} */ file,
  /** @type {number} */ inFlight,
  /** @type {number} */ round,
) {
  /** @type {[keyof Round, () => Promise<any>][]} */
  const measurements = [
    ['snapshot', () => snapshot(stage, [])],
    ['wire', () => replay(stage, file, inFlight)],
    ['floor', () => floor(stage, file, inFlight)],
    ['rdb', () => redisCli(stage)],
  ];
  if (round % 2 === 0) measurements.reverse();
  /** @type {Partial<Round>} */
  const results = {};
  for (const [name, run] of measurements) results[name] = await run();
  results.commands = await otherWay(stage, 'commands');
  results.dump = await otherWay(stage, 'dump');
  await stage.empty();
  results.restore = await otherWay(stage, 'restore');
  return /** @type {Round} */ (results);
}

async function snapshot(
  /** @type {import('./stage.js').Stage} */ stage,
  /** @type {readonly string[]} */ args,
  /** @type {readonly string[]} */ nodeArgs = [],
) {
  const taken = await runNode(
    [...(await productFlags()), ...nodeArgs, program('take-snapshot'), ...args],
    stage.variables('store'),
  );
  await rm(join(stage.folder, 'store'), { recursive: true });
  if (taken.state === 'succeeded' && taken.keys === stage.keys) return taken;
  throw new Error(`the snapshot ${taken.state} with ${taken.keys} of ${stage.keys} keys: nothing to measure`);
}

/** The wire is measured with what is in the file: if requests had gone another way than through fetch, it would lie. */
async function expectLines(/** @type {string} */ file, /** @type {number} */ count) {
  const lines = (await readFile(file, 'latin1')).split('\n').length - 1;
  if (lines < count) throw new Error(`${lines} of ${count} requests were recorded`);
}

function replay(
  /** @type {import('./stage.js').Stage} */ { url, token },
  /** @type {string} */ file,
  /** @type {number} */ inFlight,
  /** @type {readonly string[]} */ args = [],
  /** @type {readonly string[]} */ nodeArgs = [],
) {
  const where = ['--file', file, '--url', url, '--token', token];
  return runNode([...nodeArgs, program('replay-requests'), ...where, '--in-flight', String(inFlight), ...args]);
}

async function floor(
  /** @type {import('./stage.js').Stage} */ stage,
  /** @type {string} */ file,
  /** @type {number} */ inFlight,
) {
  return replay(stage, file, inFlight, ['--lines'], await productFlags());
}

async function otherWay(
  /** @type {import('./stage.js').Stage} */ { folder, keys, redisUrl },
  /** @type {string} */ way,
) {
  const where = ['--redis', redisUrl, '--file', join(folder, 'copy')];
  const done = await runNode([program('other-way'), '--way', way, ...where]);
  if (way === 'commands' || done.keys === keys) return done;
  throw new Error(`${way}: ${done.keys} of ${keys} keys`);
}

async function redisCli(/** @type {import('./stage.js').Stage} */ { redisUrl, folder }) {
  const file = join(folder, 'dump.rdb');
  const cli = (await findProgram(REDIS_CLI.binary)) ?? REDIS_CLI.binary;
  const before = performance.now();
  const { code, stderr } = await runProgram(cli, ['-u', redisUrl, '--rdb', file]);
  const totalMs = performance.now() - before;
  if (code !== 0) throw new Error(`redis-cli --rdb failed:\n${stderr}`);
  const { size: bytes } = await stat(file);
  await rm(file);
  return { totalMs, bytes };
}

async function profile(/** @type {import('./stage.js').Stage} */ stage) {
  const folder = join(stage.folder, 'profile');
  await mkdir(folder);
  await snapshot(stage, [], ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
  return hottestFunctions(folder);
}

function summarise(/** @type {readonly Round[]} */ rounds) {
  const of = (/** @type {(round: Round) => number} */ value) => median(rounds.map(value));
  const wireMs = of(({ wire }) => wire.totalMs);
  const floorMs = of((round) => round.floor.totalMs);
  const scanMs = of((round) => round.snapshot.scanMs);
  const totalMs = of((round) => round.snapshot.totalMs);
  return {
    scanMs,
    totalMs,
    wireMs,
    floorMs,
    rdbMs: of(({ rdb }) => rdb.totalMs),
    commandsMs: of(({ commands }) => commands.totalMs),
    dumpMs: of(({ dump }) => dump.totalMs),
    restoreMs: of(({ restore }) => restore.totalMs),
    peakBytes: of((round) => round.snapshot.peakBytes),
    snapshotCpuSeconds: of((round) => round.snapshot.cpuSeconds),
    wireCpuSeconds: of(({ wire }) => wire.cpuSeconds),
    floorCpuSeconds: of(({ floor }) => floor.cpuSeconds),
    /** Speeds as shares of what the wire, and what the least work on its replies, allow. */
    floorOverWire: wireMs / floorMs,
    scanOverWire: wireMs / scanMs,
    scanOverFloor: floorMs / scanMs,
    totalOverWire: wireMs / totalMs,
  };
}
