import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vercelRest } from '../../lib/services/vercel/hosting.js';
import { AppError } from '../../lib/errors.js';
import { journalSchema, type Journal, type RotationRequest } from '../../lib/rotation/model.js';
import { rotate, type RotateOptions, type RotatePorts, type RotationResult } from '../../lib/rotation/rotate.js';
import { startVercelApi, type VercelStandIn, type VercelStandInOptions } from '../../dev/vercel-api/index.js';
import { folderStore } from '../support/folder-store.js';
import { jumpingClock } from '../support/clocks.js';

export const OLD = 'old-value-old-value-old-value';
export const NEW = 'new-value-new-value-new-value';

export interface RotationBench {
  readonly vercel: VercelStandIn;
  readonly ports: RotatePorts;
  readonly clock: ReturnType<typeof jumpingClock>;
  /** What was logged, as text. */
  readonly logged: string[];
  /** What the backend says of itself; null, it does not answer. Undefined: there is none. */
  health: () => boolean | null | undefined;
  run(
    changes?: Partial<RotationRequest>,
    options?: Partial<RotateOptions>,
    ports?: RotatePorts,
  ): Promise<RotationResult>;
  journals(): Promise<Journal[]>;
  /** Everything in the store, as text. */
  stored(): Promise<string>;
  stop(): Promise<void>;
}

const TWO_PROJECTS: NonNullable<VercelStandInOptions['projects']> = {
  backend: { KEY: OLD, OTHER: 'stays' },
  dashboard: { KEY: OLD, OTHER: 'stays' },
};

/** A rotation of KEY in two projects, over the real adapter, a stand-in and a folder. */
export async function rotationBench(options: VercelStandInOptions = {}): Promise<RotationBench> {
  const vercel = await startVercelApi({ ...options, projects: options.projects ?? TWO_PROJECTS });
  const clock = jumpingClock();
  const folder = await folderStore(clock);
  const logged: string[] = [];
  const log = (event: string, fields = {}): void => void logged.push(JSON.stringify([event, fields]));
  const ports: RotatePorts = {
    clock,
    log: { info: log, warn: log, error: log },
    store: folder.store,
    ...vercelRest({ url: vercel.url, token: vercel.token, team: options.team ?? null, clock, timeoutMs: 30_000 }),
    backend: {
      get configured() {
        return bench.health() !== undefined;
      },
      healthy: () => {
        const health = bench.health();
        if (health == null) return Promise.reject(new AppError('backend-unavailable', 'No answer', { hint: 'None.' }));
        return Promise.resolve(health);
      },
      stats: () => Promise.reject(new Error('not asked')),
    },
  };
  const bench: RotationBench = {
    vercel,
    ports,
    clock,
    logged,
    health: () => undefined,
    run: (changes = {}, more = {}, other = ports) =>
      rotate(other, { ...standard(), ...changes }, { dryRun: false, interrupt: new AbortController().signal, ...more }),
    async journals() {
      const found: Journal[] = [];
      for await (const { name } of folder.store.list('rotations/')) {
        const body = (await folder.store.read(name))?.body.toString('utf8') ?? '';
        found.push(journalSchema.parse(JSON.parse(body)));
      }
      return found;
    },
    async stored() {
      const files = await readdir(folder.folder, { recursive: true, withFileTypes: true });
      const texts = files
        .filter((file) => file.isFile())
        .map((file) => readFile(join(file.parentPath, file.name), 'utf8'));
      return (await Promise.all(texts)).join('\n');
    },
    async stop() {
      await vercel.stop();
      await folder.remove();
    },
  };
  return bench;
}

function standard(): RotationRequest {
  return {
    purpose: 'test',
    changes: ['backend', 'dashboard'].map((project) => ({ project, variable: 'KEY', value: NEW })),
    oldValues: [],
    candidates: [],
    acceptNoWayBack: false,
    prove: () => Promise.resolve('it works'),
  };
}

/** What a project has set, and what it serves with. */
export function stateOf({
  vercel,
}: RotationBench): Record<string, [set: string | undefined, served: string | undefined]> {
  return Object.fromEntries(
    ['backend', 'dashboard'].map((name) => [name, [vercel.valueOf(name, 'KEY'), vercel.served(name)['KEY']]]),
  );
}

export const ALL_OLD = { backend: [OLD, OLD], dashboard: [OLD, OLD] };
export const ALL_NEW = { backend: [NEW, NEW], dashboard: [NEW, NEW] };
