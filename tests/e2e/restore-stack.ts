import { expect } from '@jest/globals';
import type { Redis } from 'ioredis';
import { Webhook } from 'standardwebhooks';
import { connect } from '../../lib/app/connect.js';
import { generateWorkspace } from '../../dev/data/index.js';
import { load } from '../../dev/data/load.js';
import type { StackOptions } from '../../dev/stack/index.js';
import { changes, dumpOf, type Dump } from '../support/dumps.js';
import { openDatabase } from '../support/redis-calls.js';
import { nightlyStack, type NightlyStack, type RunView } from './nightly-stack.js';

/** A project's own keys, shared ones aside. */
export interface OneProject {
  readonly id: string;
  readonly user: string;
  readonly keys: readonly string[];
}

/** The whole stack, with what it takes to lose data and to ask for it back. */
export interface RestoreStack extends NightlyStack {
  /** Three projects of one user, who has others' data around. */
  readonly projects: readonly OneProject[];
  /** The database itself, over TCP. */
  readonly redis: Redis;
  /** Takes a snapshot by cron; gives its id. */
  snapshot(): Promise<string>;
  /** Sends a request that is signed as the standard says. */
  send(body: object, id?: string): Promise<Response>;
  /** Starts a restore that must be let in; gives the id of its run. */
  begin(body: object): Promise<string>;
  /** The same, followed to the end. */
  restore(body: object): Promise<RunView>;
  /** What stands in the database, locks aside. */
  dump(): Promise<Dump>;
  /** What a run should not leave: staged keys, locks, and its notes on the source. */
  leftovers(run: string): Promise<string[]>;
  /** Names of all objects in the store that begin so. */
  objects(prefix: string): Promise<string[]>;
  stop(): Promise<void>;
}

export interface Size {
  readonly items: number;
  readonly mixed: number;
}

let requests = 0;

export async function restoreStack(size: Size, options: Omit<StackOptions, 'root'> = {}): Promise<RestoreStack> {
  // No run that makes the index again is to follow and to hold the locks.
  const variables = { UPSTASH_VECTOR_REST_TOKEN: '', ...options.variables };
  // What the functions log would drown what a failing test has to say.
  const functions = { onLog: () => undefined, ...options.functions };
  const nightly = await nightlyStack(size, { ...options, functions, variables });
  const { env, urls } = nightly.stack;
  const projects = await loadProjects(urls.redis, size.items);
  const redis = openDatabase(urls.redis);
  const { store } = connect(env, ['store']);
  const signer = new Webhook(env['RESTORE_WEBHOOK_SECRET'] ?? '');

  const send = (body: object, id = `restore-${process.pid}-${++requests}`): Promise<Response> => {
    const [text, now] = [JSON.stringify(body), new Date()];
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': signer.sign(id, now, text),
    };
    return nightly.call('/api/webhooks/restore', { method: 'POST', headers, body: text });
  };
  const begin = async (body: object): Promise<string> => {
    const answer = await send(body);
    const said = (await answer.json()) as { runId: string };
    expect([answer.status, said]).toEqual([202, expect.objectContaining({ state: 'running' })]);
    expect(answer.headers.get('location')).toBe(`/api/runs/${said.runId}`);
    return said.runId;
  };
  const objects = async (prefix: string): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name } of store.list(prefix)) names.push(name);
    return names;
  };

  return {
    ...nightly,
    projects,
    redis,
    send,
    begin,
    objects,
    async snapshot() {
      const answer = await nightly.cron();
      const run = (await answer.json()) as RunView;
      const end = run.state === 'running' ? await nightly.finished(run.runId) : run;
      expect(end).toMatchObject({ state: 'succeeded', result: { state: 'complete', failed: 0 } });
      return end.runId;
    },
    restore: async (body) => nightly.finished(await begin(body)),
    dump: async () => withoutLocks(await dumpOf(urls.redis)),
    async leftovers(run) {
      const keys = await Promise.all(['soulcaster-backup:*', 'cluster:lock:*'].map((glob) => redis.keys(glob)));
      return [...keys.flat(), ...(await objects(`runs/${run}/source/`))];
    },
    async stop() {
      redis.disconnect();
      await nightly.stack.stop();
    },
  };
}

async function loadProjects(redisUrl: string, items: number): Promise<OneProject[]> {
  const options = { projects: 3, users: 1, items, seed: 31, locked: false, legacy: false };
  const writes = [...generateWorkspace(options)];
  await load(redisUrl, writes);
  const user = String(writes.find(({ key }) => String(key).startsWith('user:projects:'))?.key).slice(14);
  const ids = [...new Set(writes.flatMap(({ project }) => project ?? []))];
  return ids.map((id) => ({
    id,
    user,
    keys: writes.filter(({ project, creates }) => project === id && creates).map(({ key }) => String(key)),
  }));
}

function withoutLocks(dump: Dump): Dump {
  return Object.fromEntries(Object.entries(dump).filter(([key]) => !key.startsWith('cluster:lock:')));
}

const WORK = /^(job:[^:]+|cluster_job:[^:]+:[^:]+|cluster:[^:]+|cluster:[^:]+:[^:]+)$/;
const AT_WORK = ['running', 'pending', 'fixing'];

/** Fields of every hash that shows work in flight, among the keys of a dump. */
export async function workInFlight(redis: Redis, dump: Dump): Promise<Record<string, Record<string, string>>> {
  const names = Object.keys(dump).filter((key) => WORK.test(key) && dump[key]?.startsWith('hash ') === true);
  const found: Record<string, Record<string, string>> = {};
  for (const name of names) {
    const fields = await redis.hgetall(name);
    if (AT_WORK.includes(fields['status'] ?? '')) found[name] = fields;
  }
  return found;
}

/** Expects a database to be as it was, but for work in flight that now is over; `aside`: keys that may be otherwise. */
export async function expectAsBefore(
  bench: RestoreStack,
  before: Dump,
  inFlight: Readonly<Record<string, Readonly<Record<string, string>>>>,
  aside: readonly string[] = [],
): Promise<void> {
  const wanted = Object.fromEntries(
    Object.entries(inFlight).map(([key, fields]) => [key, { ...fields, status: 'failed' }]),
  );
  expect(changes(before, await bench.dump())).toEqual([...Object.keys(wanted), ...aside].sort());
  for (const [key, fields] of Object.entries(wanted)) expect(await bench.redis.hgetall(key)).toEqual(fields);
}
