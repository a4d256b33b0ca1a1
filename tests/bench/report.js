import Table from 'cli-table3';
import { megabytes, seconds, whole } from './figures.js';
import { median } from './statistics.js';

/**
 * What was measured, for people: medians of the rounds, and how far these were apart.
 * @param {Awaited<ReturnType<typeof import('./snapshot.js').benchSnapshot>>} measured
 */
export function report({ machine, options, inFlight, medians, rounds, hottest }) {
  const first = /** @type {import('./snapshot.js').Round} */ (rounds[0]);
  const { snapshot } = first;
  const { keys, plainBytes, requests, commands, receivedBytes } = snapshot;
  const row = (/** @type {string} */ name, /** @type {number} */ ms, /** @type {number | null} */ share) => [
    name,
    seconds(ms),
    whole((keys / ms) * 1000),
    megabytes((plainBytes / ms) * 1000),
    share === null ? '' : share.toFixed(2),
  ];
  const table = new Table({
    head: ['', 'time', 'keys/s', 'MB/s of lines', 'speed : wire'],
    style: { head: [], border: [] },
  });
  table.push(
    row('wire: the same requests, replies thrown away', medians.wireMs, 1),
    row('floor: and their values compressed as lines', medians.floorMs, medians.floorOverWire),
    row('snapshot, reading', medians.scanMs, medians.scanOverWire),
    row('snapshot, read back and finalized', medians.totalMs, medians.totalOverWire),
  );
  const shares = rounds.map(({ wire, snapshot: each }) => (wire.totalMs / each.scanMs).toFixed(2)).join(', ');
  return [
    `${machine.cores} x ${machine.model}, node ${machine.node}; medians of ${rounds.length} rounds`,
    `${whole(keys)} keys, ${megabytes(plainBytes)} MB of lines, ${megabytes(receivedBytes)} MB received, ` +
      `${inFlight} requests in flight${options.latencyMs > 0 ? `, ${options.latencyMs} ms of latency` : ''}`,
    table.toString(),
    otherWays(first, medians, keys, commands),
    `reading : wire, round by round: ${shares}; reading : floor ${medians.scanOverFloor.toFixed(2)}`,
    `per key: ${(commands / keys).toFixed(3)} commands, ${(requests / keys).toFixed(4)} requests`,
    `reading: ${snapshotCpu(rounds, plainBytes)}`,
    `peak memory: ${megabytes(medians.peakBytes)} MB; processor time: ${medians.snapshotCpuSeconds.toFixed(2)} s, ` +
      `of the wire alone ${medians.wireCpuSeconds.toFixed(2)} s, of the floor ${medians.floorCpuSeconds.toFixed(2)} s`,
    ...(hottest ?? []).map(({ name, share }) => `${(share * 100).toFixed(1).padStart(5)} %  ${name}`),
    '',
  ].join('\n');
}

/**
 * Other programs' ways on the same data, over Redis's own protocol, and what a copy of theirs lacks.
 * @param {import('./snapshot.js').Round} first
 * @param {Awaited<ReturnType<typeof import('./snapshot.js').benchSnapshot>>['medians']} medians
 * @param {number} keys
 * @param {number} own commands of the snapshot
 */
function otherWays({ commands, dump, rdb, restore }, medians, keys, own) {
  const table = new Table({
    head: ['way', 'time', 'commands per key', 'what it loses'],
    style: { head: [], border: [] },
  });
  const perKey = (/** @type {number} */ count) => (count / keys).toFixed(3);
  table.push(
    ['snapshot, read back and finalized', seconds(medians.totalMs), perKey(own), ''],
    [
      "upstash-redis-dump's way",
      seconds(medians.commandsMs),
      perKey(commands.commands),
      "streams, JSON, fields' expiry; milliseconds of expiries;\nvalue and expiry of one moment; keys that a restart\npasses over; nothing is read back",
    ],
    [
      'DUMP, pipelined',
      seconds(medians.dumpMs),
      perKey(dump.commands),
      'contents nobody can read, compare or restore in part;\na server of an older version; the same moment;\nkeys that a restart passes over; nothing is read back',
    ],
    ['RESTORE of it, pipelined', seconds(medians.restoreMs), perKey(restore.commands), 'plan, way back, proof'],
    [
      `redis-cli --rdb (${megabytes(rdb.bytes)} MB)`,
      seconds(medians.rdbMs),
      '',
      'Upstash: it gives no replica. Contents as with DUMP;\nnothing is read back',
    ],
  );
  return table.toString();
}

/** @param {readonly import('./snapshot.js').Round[]} rounds @param {number} bytes */
function snapshotCpu(rounds, bytes) {
  const cpu = median(rounds.map(({ snapshot }) => snapshot.readCpuSeconds));
  const garbage = median(rounds.map(({ snapshot }) => snapshot.readGcMs / 1000));
  return (
    `${cpu.toFixed(2)} s of processor time, ${((cpu * 1e9) / bytes).toFixed(1)} ms for a MB of lines; ` +
    `garbage collection stops it for ${garbage.toFixed(2)} s`
  );
}
