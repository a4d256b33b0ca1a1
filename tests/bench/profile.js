import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const NAMED = 25;

/**
 * The functions of a `--cpu-prof` profile in which most time passed, without that of what they called, as shares of
 * the whole run.
 * @param {string} folder that holds the one profile
 */
export async function hottestFunctions(folder) {
  const file = (await readdir(folder)).find((name) => name.endsWith('.cpuprofile')) ?? '';
  const { nodes, samples, timeDeltas } = JSON.parse(await readFile(join(folder, file), 'utf8'));
  const names = new Map(nodes.map((/** @type {any} */ { id, callFrame }) => [id, nameOf(callFrame)]));
  /** @type {Map<string, number>} */
  const times = new Map();
  let total = 0;
  for (const [at, id] of samples.entries()) {
    const name = names.get(id);
    times.set(name, (times.get(name) ?? 0) + timeDeltas[at]);
    total += timeDeltas[at];
  }
  const sorted = [...times].sort(([, a], [, b]) => b - a).slice(0, NAMED);
  return sorted.map(([name, micros]) => ({ name, share: micros / total, seconds: micros / 1e6 }));
}

/** @param {{functionName: string, url: string, lineNumber: number}} frame */
function nameOf({ functionName, url, lineNumber }) {
  const place = url.replace(/^file:\/\/.*\/(dist|node_modules)\//, '$1/');
  return `${functionName || '(anonymous)'}${place === '' ? '' : ` ${place}:${lineNumber + 1}`}`;
}
