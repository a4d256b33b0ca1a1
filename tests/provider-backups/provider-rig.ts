import { upstashDeveloper } from '../../lib/services/upstash-developer.js';
import { upstashRedis } from '../../lib/services/upstash-redis/redis.js';
import { createBackup } from '../../lib/provider-backups/backups.js';
import { planRestore, type ProviderRestorePlan, type PerformPorts } from '../../lib/provider-backups/restore.js';
import { startUpstashAccount, type UpstashAccountStandIn } from '../../dev/upstash-account/index.js';
import { startUpstashRedis, type UpstashRedisStandIn } from '../../dev/upstash-redis/index.js';
import type { ProviderBackup } from '../../lib/ports/upstash-account.js';
import { folderStore } from '../support/folder-store.js';
import { quickClock } from '../support/clocks.js';
import { startTestDatabase, type TestDatabase } from '../support/test-database.js';

export const ID = '96ad0856-03b1-4ee7-9666-e81abd0349e1';
export const STANDBY = 'a0000000-0000-4000-8000-000000000000';
export const TIMES = { attemptTtlMs: 60_000, holdMs: 600_000 };
/** Nothing interrupts. */
export const going = new AbortController().signal;

/** Two databases of an account at Upstash, the first of them the one that is backed up, and a store. */
export interface ProviderRig {
  readonly main: TestDatabase;
  readonly standby: TestDatabase;
  readonly rest: UpstashRedisStandIn;
  readonly standIn: UpstashAccountStandIn;
  readonly ports: PerformPorts;
  create(name?: string | null, wait?: boolean): Promise<ProviderBackup>;
  plan(changes?: { database?: string; from?: string; backup?: string }): Promise<ProviderRestorePlan>;
  /** The holder of the lease on the database. */
  lease(): Promise<string | null>;
  stop(): Promise<void>;
}

export async function openProviderRig(): Promise<ProviderRig> {
  const clock = quickClock();
  const [main, standby, folder] = await Promise.all([startTestDatabase(), startTestDatabase(), folderStore(clock)]);
  const rest = await startUpstashRedis({ redisUrl: main.url, token: 'test' });
  const databases = [
    { id: ID, name: 'soulcaster', endpoint: new URL(rest.url).host, redisUrl: main.url },
    { id: STANDBY, name: 'standby', endpoint: 'standby-1', redisUrl: standby.url },
  ];
  const standIn = await startUpstashAccount({ databases, takesMs: 40 });
  const { url, email, apiKey } = standIn;
  const redis = upstashRedis({ url: rest.url, token: 'test', clock, retry: { attempts: 1, baseMs: 1, capMs: 1 } });
  const ports = { account: upstashDeveloper({ url, email, apiKey, clock }), clock, redis, store: folder.store };
  return {
    main,
    standby,
    rest,
    standIn,
    ports,
    create: (name = null, wait = true) => createBackup(ports, { database: ID, name, wait, interrupt: going }),
    plan: (changes = {}) => planRestore(ports, { database: ID, from: null, backup: 'latest', ...changes }),
    async lease() {
      const found = await folder.store.read('leases/database.json');
      return found === null ? null : (JSON.parse(found.body.toString()) as { holder: string | null }).holder;
    },
    async stop() {
      await standIn.stop();
      await rest.stop();
      await Promise.all([main.stop(), standby.stop(), folder.remove()]);
    },
  };
}
