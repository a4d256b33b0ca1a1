import { megabytes, seconds, whole } from './figures.js';

/** @param {any} measured */
export function reportReindex({ machine, parallelism, batch, rows }) {
  const lines = [
    `re-index over the queue: batches of ${batch}, ${parallelism} at a time; node ${machine.node}, ${machine.cores} cores shared with all servers`,
  ];
  for (const row of rows) {
    const cpu = Object.entries(row.cpuSeconds).map(([kind, used]) => `${kind} ${Number(used).toFixed(1)} s`);
    lines.push(
      '',
      `${whole(row.items)} items, ${row.delayMs} ms for each call of the embedder`,
      `  embedding        ${seconds(row.embedMs)}, ${whole((row.items * 1000) / row.embedMs)} items/s; ideal ${seconds(row.idealMs)}: ratio ${row.ratio.toFixed(2)}`,
      `  what cores allow ${seconds(row.coresMs)} at the least, for the processor time of all parts; to the longer of the two: ratio ${(Math.max(row.idealMs, row.coresMs) / row.embedMs).toFixed(2)}`,
      `  one by one       ${seconds(row.sequentialMs)} (the plain loop, projected): ${(row.sequentialMs / row.embedMs).toFixed(1)} times as long`,
      `  the whole run    ${seconds(row.totalMs)}: ${Object.entries(row.phases)
        .map(([phase, ms]) => `${phase} ${seconds(Number(ms))}`)
        .join(', ')}`,
      `  memory           ${megabytes(row.peakRss)} MB at most in a function's process`,
      `  messages         ${whole(row.messages)}, the largest of ${row.largestMessage} bytes; ${whole(row.calls)} calls of the embedder`,
      `  database         ${row.commandsPerItem.toFixed(2)} commands and ${whole(row.bytesPerItem)} bytes an item, whole run`,
      `  processor        ${cpu.join(', ')}; ${row.cpuMsPerBatch.toFixed(0)} ms a batch while embedding, of all parts`,
    );
  }
  return `${lines.join('\n')}\n`;
}
