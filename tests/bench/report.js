import Table from 'cli-table3';
import { megabytes, seconds, whole } from './figures.js';

/**
 * What was measured, for people: medians of the rounds, and how far these were apart.
 * @param {Awaited<ReturnType<typeof import('./snapshot.js').benchSnapshot>>} measured
 */
export function report({ machine, options, inFlight, medians, rounds, hottest }) {
  const { snapshot, rdb } = /** @type {import('./snapshot.js').Round} */ (rounds[0]);
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
    row('snapshot, reading', medians.scanMs, medians.scanOverWire),
    row('snapshot, read back and finalized', medians.totalMs, medians.totalOverWire),
    row(`redis-cli --rdb (${megabytes(rdb.bytes)} MB)`, medians.rdbMs, null),
  );
  const shares = rounds.map(({ wire, snapshot: each }) => (wire.totalMs / each.scanMs).toFixed(2)).join(', ');
  return [
    `${machine.cores} x ${machine.model}, node ${machine.node}; medians of ${rounds.length} rounds`,
    `${whole(keys)} keys, ${megabytes(plainBytes)} MB of lines, ${megabytes(receivedBytes)} MB received, ` +
      `${inFlight} requests in flight${options.latencyMs > 0 ? `, ${options.latencyMs} ms of latency` : ''}`,
    table.toString(),
    `reading : wire, round by round: ${shares}`,
    `per key: ${(commands / keys).toFixed(3)} commands, ${(requests / keys).toFixed(4)} requests`,
    `peak memory: ${megabytes(medians.peakBytes)} MB; processor time: ${medians.snapshotCpuSeconds.toFixed(2)} s, ` +
      `of the wire alone ${medians.wireCpuSeconds.toFixed(2)} s`,
    ...(hottest ?? []).map(({ name, share }) => `${(share * 100).toFixed(1).padStart(5)} %  ${name}`),
    '',
  ].join('\n');
}
