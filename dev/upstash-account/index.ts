import { randomBytes } from 'node:crypto';
import { serveApi, type ApiCall } from '../stand-in-server.js';
import { answer } from './api.js';
import { BackedDatabase, type AccountDatabase } from './databases.js';
import { FaultBox } from '../faults.js';
import { NO_FAULTS, type AccountFaults, type AccountRequest } from './faults.js';

export type { AccountDatabase } from './databases.js';
export type { AccountFaults, AccountRequest } from './faults.js';

export interface UpstashAccountOptions {
  readonly databases: readonly AccountDatabase[];
  readonly email?: string;
  /** Default: a random key. */
  readonly apiKey?: string;
  /** A read-only key. Default: a random key. */
  readonly readOnlyKey?: string;
  /** How long a backup or a restore takes, in milliseconds; default 20. */
  readonly takesMs?: number;
  /** Whether daily backups are switched with POST, as the vendor's command line does, instead of PATCH. */
  readonly dailyByPost?: boolean;
  readonly faults?: Partial<AccountFaults>;
}

export interface UpstashAccountStandIn {
  readonly url: string;
  readonly email: string;
  readonly apiKey: string;
  readonly readOnlyKey: string;
  /** Authorised requests since the start, of one endpoint or of all. */
  requestCount(endpoint?: string): number;
  /** Makes a daily backup. */
  backUpDaily(database: string): Promise<void>;
  /** Resolves when no backup or restore is running. */
  idle(): Promise<void>;
  /** Sets the given faults; others stay. */
  setFaults(faults: Partial<AccountFaults>): void;
  /** Cuts open connections and closes the port. */
  stop(): Promise<void>;
}

/**
 * A stand-in for Upstash's developer API, on loopback, over real redis-servers.
 *
 * Modelled: listing databases, getting one with or without its credentials; listing, creating, deleting and restoring
 * backups; switching daily backups; basic authorisation, a read-only key, databases of others (404). A backup is a real copy
 * of all keys with their expiry, made after the answer; a restore empties the database, then fills it from a backup of any
 * database of the account; `modifying_state` is set meanwhile. And, on demand, the faults of AccountFaults.
 *
 * Not modelled: the rest of the API, teams, automatic daily backups and their retention, the lock of the database during a
 * backup, durability. Guessed, because it is not documented: the texts of errors, 400 for a plan without backups, the value
 * of `modifying_state`, and that it is set while a backup or a restore runs.
 * Source: upstash.com/docs/devops/developer-api (openapi.yml)
 */
export async function startUpstashAccount(options: UpstashAccountOptions): Promise<UpstashAccountStandIn> {
  const email = options.email ?? 'operator@example.com';
  const apiKey = options.apiKey ?? randomBytes(18).toString('base64url');
  const readOnlyKey = options.readOnlyKey ?? randomBytes(18).toString('base64url');
  const takesMs = options.takesMs ?? 20;
  const databases = new Map(options.databases.map((one) => [one.id, new BackedDatabase(one, email, takesMs)]));
  const box = new FaultBox<AccountRequest, AccountFaults>({ ...NO_FAULTS, ...options.faults });
  const requests = new Map<string, number>();

  const server = await serveApi((call) => {
    const key = findKey(call, email, [apiKey, readOnlyKey]);
    if (key === null) return { status: 401, body: '"Unauthorized"' };
    const [endpoint = '', ...ids] = pathOf(call);
    const request = { method: call.method, endpoint };
    requests.set(endpoint, (requests.get(endpoint) ?? 0) + 1);
    const fault = box.take(request);
    if (fault === 'hang') return 'hang';
    if (fault !== null && fault !== 'lose-reply') return { body: '"rejected"', ...fault };
    const hidesCredentials = call.query.get('credentials') === 'hide';
    const mayWrite = key === apiKey || request.method === 'GET';
    const { dailyByPost = false } = options;
    const done = mayWrite
      ? answer({ ...request, ids, body: call.body, hidesCredentials }, { databases, faults: box.faults, dailyByPost })
      : { status: 403, body: '"Forbidden"' };
    return fault === 'lose-reply' ? 'cut' : done;
  });

  const idle = async (): Promise<void> => {
    for (const database of databases.values()) await database.idle();
  };
  return {
    url: server.url,
    email,
    apiKey,
    readOnlyKey,
    requestCount: (endpoint) =>
      endpoint === undefined ? [...requests.values()].reduce((a, b) => a + b, 0) : (requests.get(endpoint) ?? 0),
    async backUpDaily(database) {
      databases.get(database)?.backUp('daily', box.faults, true);
      await idle();
    },
    idle,
    setFaults: (changed) => box.set(changed),
    async stop() {
      await server.stop();
      await idle();
    },
  };
}

/** Decoded path segments after /v2/redis. */
function pathOf({ path }: ApiCall): string[] {
  const inside = /^\/v2\/redis\/(.+)$/.exec(path)?.[1] ?? '';
  return inside.split('/').map(decodeURIComponent);
}

/** The key of the request if it is one of these; otherwise null. */
function findKey({ headers }: ApiCall, email: string, keys: readonly string[]): string | null {
  const given = Buffer.from(/^Basic\s+(.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '', 'base64').toString('utf8');
  return keys.find((key) => given === `${email}:${key}`) ?? null;
}
