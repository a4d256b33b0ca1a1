import type { RedisPort } from '../../lib/ports/redis.js';
import type { SnapshotBench } from '../support/snapshot-bench.js';
import { intercept } from './intercept.js';

const KEYS = 20_000;
/** The stand-in has four connections, and each has to find the new server. */
const CONNECTIONS = 4;

/** A database behind its stand-in. */
type Bench = Pick<SnapshotBench, 'database' | 'port'>;

export interface Restarting {
  /** Restarts before SCAN number n (from 1 on), or when the function says so. */
  readonly when: (scan: number, cursor: string) => boolean;
  /** Runs after each restart, before anything is asked. */
  readonly then?: () => Promise<unknown>;
  /** Whether INFO tells the run_id, as Upstash may not. */
  readonly tells?: boolean;
  /** The command that is counted; SCAN unless it is given. */
  readonly command?: string;
}

/** Fills a database with 20,000 small strings. */
export async function fill(bench: Pick<Bench, 'database'>, keys = KEYS): Promise<void> {
  const batch = bench.database.redis.pipeline();
  for (let at = 0; at < keys; at++) batch.set(`k:${at}`, `v${at}`);
  await batch.exec();
}

/** Says when, for `restarting`: within the walks number 1, 3, 5 and so on over all names, at their n-th SCAN. */
export function inEveryOtherWalk(nth: number): Restarting['when'] {
  let walks = 0;
  let scans = 0;
  return (_, cursor) => {
    if (cursor === '0') walks += 1;
    scans = cursor === '0' ? 1 : scans + 1;
    return scans === nth && walks % 2 === 1;
  };
}

/** A port whose server is started again, with the same data and another hash seed, before certain SCANs. */
export function restarting(bench: Bench, { when, then, tells = true, command = 'SCAN' }: Restarting): RedisPort {
  let scans = 0;
  const port = intercept(bench.port, {
    async before(commands) {
      const scan = commands.find(([name]) => name === command);
      if (scan === undefined || !when(++scans, String(scan[command === 'SCAN' ? 1 : 2]))) return null;
      await bench.database.restart();
      await reconnected(bench);
      await then?.();
      return null;
    },
  });
  return tells ? port : withoutRunId(port);
}

export function withoutRunId(port: RedisPort): RedisPort {
  return intercept(port, {
    after: (commands, replies) =>
      replies.map((reply, at) => {
        if (commands[at]?.[0] !== 'INFO' || !('value' in reply) || !Buffer.isBuffer(reply.value)) return reply;
        return { value: Buffer.from(reply.value.toString('latin1').replace(/^run_id:.*$/m, ''), 'latin1') };
      }),
  });
}

async function reconnected(bench: Bench): Promise<void> {
  for (let good = 0; good < 2 * CONNECTIONS;) {
    const answered = await bench.port.pipeline([['PING']]).then(
      ([reply]) => reply !== undefined && 'value' in reply,
      () => false,
    );
    good = answered ? good + 1 : 0;
    if (!answered) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
