import Table from 'cli-table3';
import { ensurePrograms, REDIS_SERVER } from '../../dist/dev/packages.js';
import { machine, seconds, whole } from './figures.js';
import { productFlags, program, runNode, startNode } from './processes.js';
import { setStage } from './stage.js';

const LATENCY_MS = 5;
/** Commands a second that Upstash lets a database run. */
const UPSTASH = 10_000;
/** What the application sends beside us, of which none is to be refused. */
const APPLICATION = 4000;
const TASKS = 8;
/** How far above the limiter's own time reading and writing may be. */
const MOST = 1.15;

/** @typedef {import('./stage.js').Stage} Stage */

/**
 * What a snapshot and a restore make of a database that refuses what goes beyond a number of commands a second, over HTTP and in
 * real time. `rate`: that number for what takes all of it. A machine on which client, stand-in and database share two cores does not
 * reach Upstash's, so that rate and keys are scaled together. What leaves room for others is measured at Upstash's own.
 * @param {{rate: number, projects: number, items: number, small: number}} options
 * @param {(line: string) => void} announce
 */
export async function benchLimiter({ rate, projects, items, small }, announce) {
  await ensurePrograms([REDIS_SERVER], announce);
  announce(`a database that runs ${whole(rate)} commands a second: reading and writing with all of it`);
  const all = await withStage({ projects, items }, rate, async (stage) => {
    const read = await snapshot(stage, rate);
    await stage.empty();
    const tasks = ['--id', read.id, '--tasks', String(TASKS)];
    const written = await runNode([...(await productFlags()), program('restore-snapshot'), ...tasks], {
      ...stage.variables('store'),
      BACKUP_REQUESTS_IN_FLIGHT: '1',
    });
    if (written.state !== 'succeeded') throw new Error(`the restore ${written.state}: ${written.error?.message}`);
    return { read, written, parts: read.parts };
  });
  announce(`one of ${whole(UPSTASH)}: half of it for a snapshot, beside a client that sends ${whole(APPLICATION)}`);
  const shared = [];
  for (const data of [{ projects, items }, { small }]) {
    shared.push(
      await withStage(data, UPSTASH, async (stage) => {
        const { url, token } = stage;
        const where = ['--url', url, '--token', token, '--per-second', String(APPLICATION)];
        const client = await startNode([program('steady-client'), ...where]);
        const read = await snapshot(stage, UPSTASH / 2);
        return { read, other: await client.stop() };
      }),
    );
  }
  return { machine: machine(), rate, all, shared };
}

/**
 * @template T
 * @param {import('./stage.js').Data} data
 * @param {number} rate
 * @param {(stage: Stage) => Promise<T>} work
 */
async function withStage(data, rate, work) {
  const stage = await setStage(data, LATENCY_MS, rate);
  try {
    return await work(stage);
  } finally {
    await stage.stop();
  }
}

async function snapshot(/** @type {Stage} */ stage, /** @type {number} */ bound) {
  const taken = await runNode([...(await productFlags()), program('take-snapshot')], {
    ...stage.variables('store'),
    BACKUP_COMMANDS_PER_SECOND: String(bound),
  });
  if (taken.state === 'succeeded' && taken.keys === stage.keys) return taken;
  throw new Error(`the snapshot ${taken.state} with ${taken.keys} of ${stage.keys} keys: nothing to measure`);
}

/** @param {Awaited<ReturnType<typeof benchLimiter>>} measured */
export function reportLimiter({ machine: { cores, model, node }, rate, all, shared }) {
  const { read, written, parts } = all;
  const row = (
    /** @type {string} */ name,
    /** @type {number} */ commands,
    /** @type {number} */ perSecond,
    /** @type {number} */ ms,
  ) => {
    const own = (commands / perSecond) * 1000;
    return [name, whole(commands), whole(perSecond), seconds(own), seconds(ms), (ms / own).toFixed(2)];
  };
  const table = new Table({
    head: ['', 'commands', 'a second', "limiter's own time", 'took', `ratio (aim ${MOST})`],
    style: { head: [], border: [] },
  });
  table.push(
    row('one function reads', read.commands, rate, read.scanMs),
    row(`${Math.min(TASKS, parts)} restore tasks write`, written.spentOf.write.commands, rate, written.writeMs),
    ...shared.map((each) => row('one function reads half', each.read.commands, UPSTASH / 2, each.read.scanMs)),
  );
  return [
    `${cores} x ${model}, node ${node}; ${LATENCY_MS} ms of latency; ${whole(read.keys)} keys, ${parts} parts`,
    table.toString(),
    ...shared.map(
      ({ read: { keys }, other }) =>
        `the other client, beside ${whole(keys)} keys: ${whole((other.commands * 1000) / other.milliseconds)} commands a second, ` +
        `${other.refused} requests refused`,
    ),
    '',
  ].join('\n');
}
