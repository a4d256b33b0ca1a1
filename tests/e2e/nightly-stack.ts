import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadMixed, loadWorkspace } from '../../dev/data/index.js';
import { startStack, type Stack, type StackOptions } from '../../dev/stack/index.js';
import type { RunRecord } from '../../lib/runs/model.js';
import { compareSnapshot } from '../support/compare.js';

const ROOT = resolve(import.meta.dirname, '../..');
const CRON = '/api/cron/backup';
const WAIT_MS = 100;

/** What the API shows of a run. */
export type RunView = Pick<RunRecord, 'state' | 'phase' | 'error'> & {
  readonly runId: string;
  readonly attempts: number;
  readonly result: Record<string, unknown> | null;
};

/** The whole stack with a database that is not empty. */
export interface NightlyStack {
  readonly stack: Stack;
  cron(): Promise<Response>;
  call(path: string, init?: RequestInit): Promise<Response>;
  admin(path: string, method?: string): Promise<Response>;
  /** Asks the API for a run until it is over. */
  finished(id: string): Promise<RunView>;
  /** Compares a snapshot with the database, key by key, without the product's own code. */
  compare(id: string): ReturnType<typeof compareSnapshot>;
}

export async function nightlyStack(
  size: { readonly items: number; readonly mixed: number },
  options: Omit<StackOptions, 'root'> = {},
): Promise<NightlyStack> {
  const stack = await startStack({ root: ROOT, ...options });
  const redisUrl = stack.urls.redis;
  await loadWorkspace({ redisUrl, projects: 2, items: size.items, seed: 7, locked: false });
  if (size.mixed > 0) await loadMixed({ redisUrl, keys: size.mixed, seed: 7 });
  const call = (path: string, init?: RequestInit): Promise<Response> => fetch(stack.urls.functions + path, init);
  const admin = (path: string, method = 'GET'): Promise<Response> =>
    call(path, { method, headers: { authorization: `Bearer ${stack.env['ADMIN_TOKEN'] ?? ''}` } });
  return {
    stack,
    cron: () => stack.functions.fireCron(CRON),
    call,
    admin,
    async finished(id) {
      for (;;) {
        const answer = await admin(`/api/runs/${id}`);
        const view = answer.status === 200 ? ((await answer.json()) as RunView) : null;
        if (view !== null && view.state !== 'running') return view;
        await new Promise((wake) => setTimeout(wake, WAIT_MS));
      }
    },
    compare: (id) => compareSnapshot(redisUrl, fileURLToPath(stack.env['BACKUP_STORE'] ?? ''), id),
  };
}

/** What `compare` says of a snapshot that equals the database. */
export const SAME = { onlyInRedis: 0, onlyInSnapshot: 0, different: 0, examples: [] };
