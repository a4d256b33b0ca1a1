import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { serveApi, type ApiCall, type ApiReply, FaultBox } from '../stand-in-server.js';
import {
  BackedDatabase,
  type AccountDatabase,
  NO_FAULTS,
  type AccountFaults,
  type AccountRequest,
} from './databases.js';

export type { AccountDatabase } from './databases.js';
export type { AccountFaults, AccountRequest } from './databases.js';

interface UpstashAccountOptions {
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

interface Call extends AccountRequest {
  /** Path segments after the endpoint. */
  readonly ids: readonly string[];
  readonly body: unknown;
  /** Whether the query has `credentials=hide`. */
  readonly hidesCredentials: boolean;
}

interface Account {
  readonly databases: ReadonlyMap<string, BackedDatabase>;
  readonly faults: AccountFaults;
  readonly dailyByPost: boolean;
}

type Handler = (database: BackedDatabase, call: Call, account: Account) => ApiReply;

const createSchema = z.object({ name: z.string().min(1) });
const restoreSchema = z.object({ backup_id: z.string().min(1) });

const OK: ApiReply = { status: 200, body: '"OK"' };

const ENDPOINTS: Readonly<Record<string, { readonly method: string; readonly handle: Handler }>> = {
  database: {
    method: 'GET',
    handle: (database, { hidesCredentials }) => json(hidesCredentials ? database.view() : database.viewWithSecrets()),
  },
  'list-backup': { method: 'GET', handle: (database) => json(database.list()) },
  'create-backup': { method: 'POST', handle: create },
  'delete-backup': {
    method: 'DELETE',
    handle: (database, { ids: [, backup = ''] }) => (database.remove(backup) ? OK : error(404, 'backup not found')),
  },
  'restore-backup': { method: 'POST', handle: restore },
  'enable-dailybackup': { method: 'PATCH', handle: (database) => switchDaily(database, true) },
  'disable-dailybackup': { method: 'PATCH', handle: (database) => switchDaily(database, false) },
};

/** Serves an authorised request. */
function answer(call: Call, account: Account): ApiReply {
  if (call.endpoint === 'databases' && call.method === 'GET') {
    return json([...account.databases.values()].map((database) => database.view()));
  }
  const known = Object.hasOwn(ENDPOINTS, call.endpoint) ? ENDPOINTS[call.endpoint] : undefined;
  if (known === undefined) return error(404, 'not found');
  const method = account.dailyByPost && known.method === 'PATCH' ? 'POST' : known.method;
  if (call.method !== method) return error(405, 'method not allowed');
  const database = account.databases.get(call.ids[0] ?? '');
  return database === undefined ? error(404, 'database not found') : known.handle(database, call, account);
}

function create(database: BackedDatabase, { body }: Call, { faults }: Account): ApiReply {
  const requested = createSchema.safeParse(body);
  if (!requested.success) return error(400, 'name is required');
  if (database.given.plan === 'free') return error(400, 'upgrade your plan to create backups');
  if (database.modifying !== '') return error(400, `database is in ${database.modifying} state`);
  database.backUp(requested.data.name, faults);
  return OK;
}

function restore(database: BackedDatabase, { body }: Call, { databases, faults }: Account): ApiReply {
  const requested = restoreSchema.safeParse(body);
  if (!requested.success) return error(400, 'backup_id is required');
  if (database.modifying !== '') return error(400, `database is in ${database.modifying} state`);
  for (const source of databases.values()) {
    const copies = source.find(requested.data.backup_id);
    if (copies === null) continue;
    database.restore(copies, faults);
    return OK;
  }
  return error(404, 'backup not found');
}

function switchDaily(database: BackedDatabase, on: boolean): ApiReply {
  if (database.given.plan === 'free') return error(400, 'upgrade your plan to enable daily backups');
  database.dailyBackup = on;
  return OK;
}

function json(value: object): ApiReply {
  return { status: 200, body: JSON.stringify(value) };
}

function error(status: number, text: string): ApiReply {
  return { status, body: JSON.stringify(text) };
}
