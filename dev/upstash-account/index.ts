import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answer, type Reply } from './api.js';
import { BackedDatabase, type AccountDatabase } from './databases.js';
import { meets, NO_FAULTS, type AccountFaults, type AccountRequest, type Hits } from './faults.js';

export type { AccountDatabase } from './databases.js';
export type { AccountFaults, AccountRejection, AccountRequest } from './faults.js';

export interface UpstashAccountOptions {
  readonly databases: readonly AccountDatabase[];
  readonly email?: string;
  /** Default: a random one. */
  readonly apiKey?: string;
  /** A key that may only read. Default: a random one. */
  readonly readOnlyKey?: string;
  /** How long a backup or a restore takes, in milliseconds; default 20. */
  readonly takesMs?: number;
  /** Whether switching daily backups takes POST, as the vendor's command line has it, instead of PATCH. */
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
  /** Makes the backup that a schedule would make. */
  backUpDaily(database: string): Promise<void>;
  /** Resolves when nothing is under way any more. */
  settled(): Promise<void>;
  /** Sets the faults that are named and leaves the others. */
  setFaults(faults: Partial<AccountFaults>): void;
  /** Cuts what is open and closes the port. */
  stop(): Promise<void>;
}

/**
 * A stand-in for Upstash's developer API, on loopback, over real redis-servers.
 *
 * Modelled: listing databases, getting one with or without its credentials; listing, creating, deleting and restoring backups; switching daily backups; basic
 * authorisation, a read-only key, databases of others (404). A backup is a real copy of all keys with their expiry, taken
 * after the answer; a restore really empties the database, then fills it from a backup of any database of the account;
 * meanwhile `modifying_state` has a word. And, on demand, the faults of AccountFaults.
 *
 * Not modelled: everything else of the API, teams, daily backups by themselves and when they go, the database being
 * locked during a backup, durability. Guessed, for want of documentation: the texts of errors, 400 for a plan without
 * backups, the word in `modifying_state`, and that it is set as long as a backup or a restore is under way.
 * Source: upstash.com/docs/devops/developer-api (openapi.yml)
 */
export async function startUpstashAccount(options: UpstashAccountOptions): Promise<UpstashAccountStandIn> {
  const email = options.email ?? 'operator@example.com';
  const apiKey = options.apiKey ?? randomBytes(18).toString('base64url');
  const readOnlyKey = options.readOnlyKey ?? randomBytes(18).toString('base64url');
  const takesMs = options.takesMs ?? 20;
  const databases = new Map(options.databases.map((one) => [one.id, new BackedDatabase(one, email, takesMs)]));
  let faults: AccountFaults = { ...NO_FAULTS, ...options.faults };
  const requests = new Map<string, number>();

  const spend = (name: 'hang' | 'loseReply', request: AccountRequest): boolean => {
    const { met, left } = meets(faults[name], request);
    faults = { ...faults, [name]: left };
    return met;
  };
  const rejection = (request: AccountRequest): Reply | null => {
    const { reject } = faults;
    if (reject === null) return null;
    const { met, left } = meets(reject.hits, request);
    faults = { ...faults, reject: { ...reject, hits: left satisfies Hits } };
    return met ? { headers: {}, body: '"rejected"', ...reject } : null;
  };
  const reply = (incoming: IncomingMessage, body: string): Reply | 'hang' | 'cut' => {
    const key = authorised(incoming, email, [apiKey, readOnlyKey]);
    if (key === null) return { status: 401, body: '"Unauthorized"' };
    const [endpoint = '', ...ids] = pathOf(incoming);
    const request = { method: incoming.method ?? '', endpoint };
    requests.set(endpoint, (requests.get(endpoint) ?? 0) + 1);
    const refused = rejection(request);
    if (refused !== null) return refused;
    if (spend('hang', request)) return 'hang';
    const hidesCredentials = (incoming.url ?? '').endsWith('?credentials=hide');
    const mayWrite = key === apiKey || request.method === 'GET';
    const { dailyByPost = false } = options;
    const done = mayWrite
      ? answer({ ...request, ids, body, hidesCredentials }, { databases, faults, dailyByPost })
      : { status: 403, body: '"Forbidden"' };
    return spend('loseReply', request) ? 'cut' : done;
  };

  const server = createServer((incoming, response) => {
    // What fails here is the connection: nobody is left to be answered.
    serve(incoming, response, reply).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settled = async (): Promise<void> => {
    for (const database of databases.values()) await database.settled();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    email,
    apiKey,
    readOnlyKey,
    requestCount: (endpoint) =>
      endpoint === undefined ? [...requests.values()].reduce((a, b) => a + b, 0) : (requests.get(endpoint) ?? 0),
    async backUpDaily(database) {
      databases.get(database)?.backUp('daily', faults, true);
      await settled();
    },
    settled,
    setFaults: (changed) => (faults = { ...faults, ...changed }),
    async stop() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await settled();
    },
  };
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  reply: (incoming: IncomingMessage, body: string) => Reply | 'hang' | 'cut',
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const said = reply(incoming, Buffer.concat(chunks).toString('utf8'));
  if (said === 'hang') return;
  if (said === 'cut') {
    response.destroy();
    return;
  }
  response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers });
  response.end(said.body);
}

/** What follows /v2/redis, decoded. */
function pathOf({ url = '' }: IncomingMessage): string[] {
  const [path = ''] = url.split('?', 1);
  const inside = /^\/v2\/redis\/(.+)$/.exec(path)?.[1] ?? '';
  return inside.split('/').map(decodeURIComponent);
}

/** The key that the request carries, if it is one of these. */
function authorised({ headers }: IncomingMessage, email: string, keys: readonly string[]): string | null {
  const given = Buffer.from(/^Basic\s+(.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '', 'base64');
  const right = keys.find((key) => {
    const wanted = Buffer.from(`${email}:${key}`);
    return wanted.length === given.length && timingSafeEqual(wanted, given);
  });
  return right ?? null;
}
