import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { seededRandom } from '../../dev/data/random.js';
import { environment } from '../../lib/app/config.js';
import { productFlags, program, runNode } from '../bench/processes.d.js';
import { setStage, type Stage } from '../bench/stage.d.js';
import { readDatabase, type KeyRecord } from '../support/database-reader.js';
import { readSnapshot } from '../support/snapshot-reader.js';
import { teller } from './data.js';

/** CHURN_MINUTES sets for how long. */
const MINUTES = Number(environment()['CHURN_MINUTES'] ?? '2');
const WRITES_A_SECOND = 200;
const TICK_MS = 50;
/** A store is begun again after this many snapshots, so that an hour of them does not fill the disk. */
const SNAPSHOTS_A_STORE = 10;
const RENAME = 'return redis.call("EXISTS", KEYS[1]) == 1 and redis.call("RENAME", KEYS[1], KEYS[2])';
const SETUP_MS = 5 * 60_000;

interface Taken {
  readonly id: string;
  readonly state: string;
  readonly keys: number;
  readonly commands: number;
  readonly doubles: number;
  readonly ledger: unknown;
}

/** What stands under each key that does not expire, by its name as latin1. */
type Digests = ReadonlyMap<string, string>;

let stage: Stage;
let untouched: Digests;
let writer: Writer;

beforeAll(async () => {
  stage = await setStage({ projects: 6, items: 1500 }, 0);
  untouched = await digestsOf(readDatabase(stage.redisUrl));
  writer = startWriter(stage.redisUrl);
}, SETUP_MS);
afterAll(async () => {
  await writer.stop();
  await stage.stop();
});

it(
  `beside a client that writes ${WRITES_A_SECOND} times a second no snapshot is incomplete, and none lacks what stood still`,
  async () => {
    const tell = teller();
    const until = performance.now() + MINUTES * 60_000;
    let count = 0;
    do {
      const store = `store-${Math.floor(count / SNAPSHOTS_A_STORE)}`;
      const taken = (await runNode(
        [...(await productFlags()), program('take-snapshot')],
        stage.variables(store),
      )) as Taken;
      expect(taken).toMatchObject({ state: 'succeeded', ledger: { failed: { count: 0 }, unsupported: { count: 0 } } });
      const saved = await digestsOf(readSnapshot(join(stage.folder, store), taken.id));
      expect([...untouched].filter(([key, digest]) => saved.get(key) !== digest)).toEqual([]);
      count += 1;
      if (count % SNAPSHOTS_A_STORE === 0) {
        await rm(join(stage.folder, store), { recursive: true });
        tell('so far', `${count} snapshots, ${writer.writes()} writes, the last of ${taken.keys} keys`);
      }
    } while (performance.now() < until);
    tell('in all', `${count} snapshots, ${writer.writes()} writes`);
    expect(writer.writes()).toBeGreaterThan(0);
  },
  (MINUTES + 10) * 60_000,
);

async function digestsOf(records: AsyncIterable<KeyRecord>): Promise<Digests> {
  const digests = new Map<string, string>();
  for await (const { key, type, expiresAt, digest } of records)
    if (expiresAt === null) digests.set(key.toString('latin1'), `${type} ${digest}`);
  return digests;
}

interface Writer {
  writes(): number;
  stop(): Promise<void>;
}

/** Makes, changes, renames, expires and removes keys of its own, of every plain type; none that was there before. */
function startWriter(url: string): Writer {
  const redis = new Redis(url);
  const random = seededRandom(11);
  let writes = 0;
  let failed: unknown = null;
  const name = (): string => `churn:${random.whole(1, 5000)}`;
  const write = (many: ReturnType<Redis['pipeline']>): void => {
    const key = name();
    switch (random.whole(0, 9)) {
      case 0:
        many.del(key);
        break;
      case 1:
        many.eval(RENAME, 2, key, `${key}:renamed`);
        break;
      case 2:
        many.pexpire(key, random.whole(1, 3000));
        break;
      case 3:
        many.del(key).hset(key, 'a', random.uuid(), 'b', random.uuid());
        break;
      case 4:
        many.del(key).zadd(key, random.whole(1, 1000), random.uuid());
        break;
      case 5:
        many.del(key).sadd(key, random.uuid(), random.uuid());
        break;
      case 6:
        many.del(key).rpush(key, random.uuid());
        break;
      default:
        many.set(key, random.uuid());
    }
  };
  const timer = setInterval(() => {
    const many = redis.pipeline();
    const due = (WRITES_A_SECOND * TICK_MS) / 1000;
    for (let at = 0; at < due; at++) write(many);
    writes += due;
    many.exec().catch((error: unknown) => (failed ??= error));
  }, TICK_MS);
  return {
    writes: () => {
      if (failed !== null) throw failed as Error;
      return writes;
    },
    stop: async () => {
      clearInterval(timer);
      await redis.quit();
    },
  };
}
