import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const TICKS_A_SECOND = 100;

/** Watches the processes of the function host: their largest resident memory, and the processor time by kind. */
export function watchInstances() {
  const peaks = new Map();
  const cpu = new Map();
  let over = false;
  const look = async () => {
    for (const { pid, kind } of await processes()) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
      const [user = 0, system = 0] = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .slice(11, 13)
        .map(Number);
      peaks.set(pid, { kind, peak });
      cpu.set(pid, { kind, seconds: (user + system) / TICKS_A_SECOND });
    }
  };
  const watching = (async () => {
    while (!over) {
      await look();
      await delay(500);
    }
  })();
  return {
    async cpuSeconds() {
      await look();
      return [...cpu.values()].reduce((sum, { seconds }) => sum + seconds, 0);
    },
    async end() {
      await look();
      over = true;
      await watching;
      const functions = [...peaks.values()].filter(({ kind }) => kind === 'function').map(({ peak }) => peak);
      /** @type {Record<string, number>} */
      const cpuSeconds = {};
      for (const { kind, seconds } of cpu.values()) cpuSeconds[kind] = (cpuSeconds[kind] ?? 0) + seconds;
      return { peakRss: Math.max(...functions), cpuSeconds };
    },
  };
}

const KINDS = /** @type {const} */ ([
  ['function-host/instance', 'function'],
  ['function-host/main', 'function host'],
  ['gemini/main', 'gemini'],
  ['upstash-vector/main', 'vector'],
  ['redis-server', 'redis'],
  ['bench/main.js', 'queue, REST and this'],
]);

async function processes() {
  const found = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const line = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    const kind = KINDS.find(([part]) => line.includes(part))?.[1];
    if (kind !== undefined) found.push({ pid: Number(name), kind });
  }
  return found;
}
