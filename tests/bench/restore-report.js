import Table from 'cli-table3';
import { megabytes, seconds, whole } from './figures.js';
import { reportProjection } from './projection.js';

const PLAIN = { head: [], border: [] };

/**
 * What was measured, for people.
 * @param {Awaited<ReturnType<typeof import('./restore.js').benchRestore>>} measured
 */
export function reportRestore({ machine, options, snapshot, lanes, over, smaller, hottest }) {
  const { keys, plainBytes } = snapshot;
  const first = lanes[0]?.rounds[0]?.restore;
  const perKey = {
    writing: first.writing.commands / keys,
    empty: first.spent.commands / keys,
    full: over.spent.commands / keys,
  };
  return [
    `${machine.cores} x ${machine.model}, node ${machine.node}; medians of ${options.rounds} rounds` +
      (options.latencyMs > 0 ? `; ${options.latencyMs} ms of latency` : ''),
    `${whole(keys)} keys, ${megabytes(plainBytes)} MB of lines, ${megabytes(first.written.bytes)} MB of keys and values`,
    ...lanes.map((lane) => laneTable(lane, keys, plainBytes)),
    `commands per key: ${perKey.writing.toFixed(3)} to write; ${perKey.empty.toFixed(3)} for a whole run into an ` +
      `empty database, ${perKey.full.toFixed(3)} over a full one all of whose keys differ`,
    `  of them, by phase: ${spentBy(first, keys)}`,
    `  over a full one: ${spentBy(over, keys)}`,
    `requests per key: ${(first.writing.requests / keys).toFixed(4)} to write; ${(first.spent.requests / keys).toFixed(4)} for a whole run`,
    `over the full database: ${seconds(over.totalMs)}, peak memory ${megabytes(over.peakBytes)} MB (${phasesOf(over.phases)})`,
    reportProjection({
      empty: [
        { keys: smaller.keys, spent: smaller.empty },
        { keys, spent: first.spentOf },
      ],
      full: [
        { keys: smaller.keys, spent: smaller.full },
        { keys, spent: over.spentOf },
      ],
    }),
    ...(hottest ?? []).map(({ name, share }) => `${(share * 100).toFixed(1).padStart(5)} %  ${name}`),
    '',
  ].join('\n');
}

/** @param {Awaited<ReturnType<typeof import('./restore.js').benchRestore>>['lanes'][number]} lane */
function laneTable({ inFlight, sockets, rounds, medians }, /** @type {number} */ keys, /** @type {number} */ bytes) {
  const row = (/** @type {string} */ name, /** @type {number} */ ms) => [
    name,
    seconds(ms),
    whole((keys / ms) * 1000),
    megabytes((bytes / ms) * 1000),
    (medians.wireMs / ms).toFixed(2),
  ];
  const table = new Table({ head: ['', 'time', 'keys/s', 'MB/s of lines', 'speed : wire'], style: PLAIN });
  table.push(
    row('wire: the same requests, replies thrown away', medians.wireMs),
    row('floor: parts unpacked, and their values sent', medians.floorMs),
    row('restore, writing', medians.writeMs),
    row('restore, checked, planned, written, proven', medians.totalMs),
  );
  const shares = rounds.map(({ wire, restore }) => (wire.totalMs / restore.writeMs).toFixed(2)).join(', ');
  return [
    `${inFlight} requests in flight a part, ${sockets} in all:`,
    table.toString(),
    `writing : wire, round by round: ${shares}; writing : floor ${medians.writeOverFloor.toFixed(2)}`,
    `phases: ${phasesOf(rounds[0]?.restore.phases ?? {})}`,
    `peak memory: ${megabytes(medians.peakBytes)} MB; processor time: ${medians.restoreCpuSeconds.toFixed(2)} s, ` +
      `of the wire alone ${medians.wireCpuSeconds.toFixed(2)} s, of the floor ${medians.floorCpuSeconds.toFixed(2)} s`,
  ].join('\n');
}

function phasesOf(/** @type {Readonly<Record<string, number>>} */ phases) {
  return Object.entries(phases)
    .filter(([, ms]) => ms >= 100)
    .map(([name, ms]) => `${name} ${seconds(ms)}`)
    .join(', ');
}

/** Commands a key of each phase that takes some. */
function spentBy(/** @type {any} */ { spentOf }, /** @type {number} */ keys) {
  /** @type {[string, {commands: number}][]} */
  const phases = Object.entries(spentOf);
  return phases
    .map(([name, { commands }]) => ({ name, perKey: commands / keys }))
    .filter(({ perKey }) => perKey >= 0.001)
    .map(({ name, perKey }) => `${name} ${perKey.toFixed(3)}`)
    .join(', ');
}
