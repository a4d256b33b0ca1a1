import { z } from 'zod';
import type { ApiReply } from '../stand-in-server.js';
import type { BackedDatabase } from './databases.js';
import type { AccountFaults, AccountRequest } from './faults.js';

export interface Call extends AccountRequest {
  /** Path segments after the endpoint. */
  readonly ids: readonly string[];
  readonly body: unknown;
  /** Whether the query has `credentials=hide`. */
  readonly hidesCredentials: boolean;
}

export interface Account {
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
export function answer(call: Call, account: Account): ApiReply {
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
