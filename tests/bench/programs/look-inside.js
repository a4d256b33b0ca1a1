import { main } from '../../../dist/lib/cli/main.js';
import { peakMemory, processorSeconds } from './peak-memory.js';

/** Runs a command of the command line, counts what it prints, and prints how it went as one line of JSON. */
const write = process.stdout.write.bind(process.stdout);
let lines = 0;
/** @type {string} */
let last = '';
/** @param {string | Uint8Array} chunk @param {...unknown} more an encoding, and what is called when it is written */
process.stdout.write = (chunk, ...more) => {
  const text = String(chunk);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  if (text !== '') last = text.trimEnd().split('\n').at(-1) ?? '';
  const done = more.at(-1);
  if (typeof done === 'function') setImmediate(/** @type {() => void} */ (done));
  return true;
};
const began = performance.now();
const code = await main(process.argv.slice(2));
const totalMs = performance.now() - began;
const peakBytes = await peakMemory();
write(`${JSON.stringify({ code, lines, last, totalMs, processorSeconds: processorSeconds(), peakBytes })}\n`, () =>
  process.exit(0),
);
