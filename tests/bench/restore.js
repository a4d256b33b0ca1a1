import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePrograms, REDIS_SERVER } from '../../dist/dev/packages.js';
import { machine } from './figures.js';
import { productFlags, program, runNode } from './processes.js';
import { hottestFunctions } from './profile.js';
import { setStage } from './stage.js';
import { median } from './statistics.js';

/** Requests under way at a time for each part that is worked on. */
const IN_FLIGHT = [4, 1];
/** Parts that one process works on at a time: TASKS_IN_PROCESS of lib/app/app.ts. */
const PARTS_AT_A_TIME = 2;

/**
 * @typedef {import('./snapshot.js').BenchOptions} BenchOptions
 * @typedef {import('./stage.js').Stage} Stage
 *
 * @typedef {object} Round What one round measured; the processes ran one after the other.
 * @property {any} restore into an empty database
 * @property {any} wire the requests of its write phase, replies thrown away, into an empty database as well
 * @property {any} floor the least that the format demands of writing, into an empty database: see programs/least-writing.js
 *
 * @typedef {object} Lane
 * @property {number} inFlight requests a part
 * @property {number} sockets requests in all
 * @property {Round[]} rounds
 */

/**
 * Measures a restore into an empty database against what the wire allows: the very requests of its write phase, with the
 * replies thrown away. Beside it, what a restore over a full database costs, none of whose keys is as the snapshot has
 * it. The first restore, which writes the requests down, warms everything up and does not count.
 * @param {BenchOptions} options
 * @param {(line: string) => void} announce
 */
export async function benchRestore(options, announce) {
  await ensurePrograms([REDIS_SERVER], announce);
  announce('loading data');
  const smaller = await measureSmaller(options.data, announce);
  const stage = await setStage(options.data, options.latencyMs);
  try {
    announce(`${stage.keys} keys; taking the snapshot, and recording the requests of a restore`);
    const snapshot = await takeSnapshot(stage);
    const requests = join(stage.folder, 'requests');
    const recorded = await restore(stage, snapshot.id, 4, ['--record', requests]);
    await expectLines(requests, recorded.spentOf.write.requests);
    const lanes = [];
    for (const inFlight of IN_FLIGHT) {
      const sockets = inFlight * Math.min(PARTS_AT_A_TIME, snapshot.parts);
      /** @type {Lane} */
      const lane = { inFlight, sockets, rounds: [] };
      for (let round = 1; round <= options.rounds; round++) {
        announce(`${inFlight} in flight a part: round ${round} of ${options.rounds}`);
        lane.rounds.push(await measure(stage, snapshot.id, requests, lane, round));
      }
      lanes.push({ ...lane, medians: summarise(lane.rounds) });
    }
    announce('over a full database');
    const over = await restoreOver(stage, snapshot.id);
    const hottest = options.profile ? await profile(stage, snapshot.id) : null;
    return { machine: machine(), options, snapshot, lanes, over, smaller, hottest };
  } finally {
    await stage.stop();
  }
}

/**
 * What restores of a quarter of the data spend by phase: the projection needs two sizes.
 * @param {import('./stage.js').Data} data
 * @param {(line: string) => void} announce
 */
async function measureSmaller({ items, ...amounts }, announce) {
  const quarters = Object.entries(amounts).map(([name, amount]) => [name, Math.max(1, Math.floor(amount / 4))]);
  const each = items === undefined ? {} : { items };
  const stage = await setStage({ ...Object.fromEntries(quarters), ...each }, 0);
  try {
    announce(`${stage.keys} keys, for the projection`);
    const { id } = await takeSnapshot(stage);
    const { spentOf: empty } = await restore(stage, id, 4);
    const { spentOf: full } = await restoreOver(stage, id);
    return { keys: stage.keys, empty, full };
  } finally {
    await stage.stop();
  }
}

function takeSnapshot(/** @type {Stage} */ stage) {
  return productFlags().then((flags) => runNode([...flags, program('take-snapshot')], stage.variables('store')));
}

/** Takes turns in who goes first, so that nobody profits from what warms up. */
async function measure(
  /** @type {Stage} */ stage,
  /** @type {string} */ id,
  /** @type {string} */ file,
  /** @type {Lane} */ { inFlight, sockets },
  /** @type {number} */ round,
) {
  /** @type {Partial<Round>} */
  const results = {};
  /** @type {[keyof Round, () => Promise<any>][]} */
  const measurements = [
    ['restore', () => restore(stage, id, inFlight)],
    ['floor', () => floor(stage, id, inFlight)],
    ['wire', () => replay(stage, file, sockets)],
  ];
  if (round % 2 === 0) measurements.reverse();
  for (const [name, run] of measurements) results[name] = await run();
  return /** @type {Round} */ (results);
}

/** Into an empty database. */
async function restore(
  /** @type {Stage} */ stage,
  /** @type {string} */ id,
  /** @type {number} */ inFlight,
  /** @type {readonly string[]} */ args = [],
  /** @type {readonly string[]} */ nodeArgs = [],
) {
  await stage.empty();
  return runRestore(stage, id, inFlight, args, nodeArgs);
}

/** Over what the snapshot was taken of, with every key changed since: the most that there can be to do. */
async function restoreOver(/** @type {Stage} */ stage, /** @type {string} */ id) {
  const { keys } = await runNode([program('alter-keys'), '--redis', stage.redisUrl]);
  const done = await runRestore(stage, id, 4);
  if (keys >= stage.keys && done.plan.overwrite === stage.keys) return done;
  throw new Error(`${done.plan.overwrite} of ${stage.keys} keys were written over: nothing to measure`);
}

async function runRestore(
  /** @type {Stage} */ stage,
  /** @type {string} */ id,
  /** @type {number} */ inFlight,
  /** @type {readonly string[]} */ args = [],
  /** @type {readonly string[]} */ nodeArgs = [],
) {
  const done = await runNode(
    [...(await productFlags()), ...nodeArgs, program('restore-snapshot'), '--id', id, ...args],
    { ...stage.variables('store'), BACKUP_REQUESTS_IN_FLIGHT: String(inFlight) },
  );
  if (done.state === 'succeeded' && done.written.written === stage.keys && done.proof.equal === stage.keys) return done;
  throw new Error(`the restore ${done.state}, ${done.proof.equal} of ${stage.keys} keys proven: nothing to measure`);
}

async function profile(/** @type {Stage} */ stage, /** @type {string} */ id) {
  const folder = join(stage.folder, 'profile');
  await mkdir(folder);
  await restore(stage, id, 4, [], ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
  return hottestFunctions(folder);
}

/** The wire is measured with what is in the file: with other requests than those of the write phase, it would lie. */
async function expectLines(/** @type {string} */ file, /** @type {number} */ count) {
  const lines = (await readFile(file, 'latin1')).split('\n').length - 1;
  if (lines !== count) throw new Error(`${lines} requests were recorded, and the write phase sent ${count}`);
}

async function replay(/** @type {Stage} */ stage, /** @type {string} */ file, /** @type {number} */ sockets) {
  await stage.empty();
  const where = ['--file', file, '--url', stage.url, '--token', stage.token];
  return runNode([program('replay-requests'), ...where, '--in-flight', String(sockets)]);
}

async function floor(/** @type {Stage} */ stage, /** @type {string} */ id, /** @type {number} */ inFlight) {
  await stage.empty();
  const how = ['--id', id, '--parts', String(PARTS_AT_A_TIME), '--in-flight', String(inFlight)];
  return runNode([...(await productFlags()), program('least-writing'), ...how], stage.variables('store'));
}

function summarise(/** @type {readonly Round[]} */ rounds) {
  const of = (/** @type {(round: Round) => number} */ value) => median(rounds.map(value));
  const wireMs = of(({ wire }) => wire.totalMs);
  const floorMs = of((round) => round.floor.totalMs);
  const writeMs = of(({ restore: { writeMs: each } }) => each);
  return {
    wireMs,
    floorMs,
    writeMs,
    totalMs: of(({ restore: { totalMs: each } }) => each),
    peakBytes: of(({ restore: { peakBytes: each } }) => each),
    restoreCpuSeconds: of(({ restore: { cpuSeconds: each } }) => each),
    wireCpuSeconds: of(({ wire }) => wire.cpuSeconds),
    floorCpuSeconds: of((round) => round.floor.cpuSeconds),
    /** Speeds as shares of what the wire, and what the least work, allow. */
    floorOverWire: wireMs / floorMs,
    writeOverWire: wireMs / writeMs,
    writeOverFloor: floorMs / writeMs,
  };
}
