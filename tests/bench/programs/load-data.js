import { parseArgs } from 'node:util';
import { bigHash, bigString, load, loadMixed, loadWorkspace } from '../../../dist/dev/data/index.js';
import { smallKeys } from './small-keys.js';

/**
 * Fills a database: `--redis URL [--projects N --items N] [--mixed N] [--small N] [--hash-fields N]
 * [--string-bytes N]`. Prints the number of keys as `{"keys":N}`. Nothing in it expires while a test runs: no project holds its lock.
 */
const number = /** @type {const} */ ({ type: 'string', default: '0' });
const { values } = parseArgs({
  options: {
    redis: { type: 'string' },
    projects: number,
    items: number,
    mixed: number,
    small: number,
    'hash-fields': number,
    'string-bytes': number,
  },
});
const redisUrl = values.redis ?? '';
const seed = 20;
const projects = Number(values.projects);
let keys = 0;

if (projects > 0) {
  const options = { projects, items: Number(values.items), seed, locked: false };
  keys += (await loadWorkspace({ redisUrl, ...options })).keys;
}
if (values.mixed !== '0') keys += (await loadMixed({ redisUrl, keys: Number(values.mixed), seed })).keys;
for (const writes of [
  smallKeys(Number(values.small), seed),
  values['hash-fields'] === '0' ? [] : bigHash('big:hash', Number(values['hash-fields'])),
  values['string-bytes'] === '0' ? [] : bigString('big:string', Number(values['string-bytes'])),
]) {
  keys += (await load(redisUrl, writes)).keys;
}
process.stdout.write(`${JSON.stringify({ keys })}\n`);
