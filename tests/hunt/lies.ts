import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Outcome } from './product.js';
import type { Command, Step } from './steps.js';
import { objects, type World } from './world.js';

/** Changes what a command did or said, once it is over. */
export type Lying = (world: World, outcome: Outcome) => Outcome | null | Promise<Outcome | null>;

export interface Case {
  readonly title: string;
  readonly claim: string | RegExp;
  /** What happens before, and is told truly. */
  readonly before: readonly Step[];
  readonly last: Step;
  readonly lie: Lying;
}

export const SETTING = { engine: 0, signed: false, encrypted: false, limit: 10_485_760, inFlight: 2 };
export const FAR = 4_102_444_800_000;

export const run = (command: Command): Step => ({ ...command, do: 'command' });
export const BACKUP = run({ run: 'backup' });
export const DATA: readonly Step[] = [
  { do: 'put', key: 0, kind: 'string', seed: 1, size: 3, when: 'far' },
  { do: 'put', key: 1, kind: 'hash', seed: 2, size: 4, when: 'never' },
  { do: 'field-expire', key: 1, when: 'far' },
  { do: 'put', key: 2, kind: 'list', seed: 3, size: 3, when: 'never' },
  { do: 'put', key: 3, kind: 'zset', seed: 4, size: 3, when: 'never' },
  { do: 'project', project: 0, items: 6, seed: 4 },
  { do: 'project', project: 1, items: 2, seed: 5 },
];
export const SAVED: readonly Step[] = [...DATA, BACKUP];
export const PLAIN = { of: 0, mode: 'replace', scope: 'all', ttl: 'keep' } as const;
export const restore = (changes: object = {}): Step =>
  run({ run: 'restore', ...PLAIN, safety: true, settle: false, ...changes });
export const dryRun = (changes: object = {}): Step => run({ run: 'dry-run', ...PLAIN, ...changes });

/** The lie in the answers of one command alone. */
export const of =
  (name: string, lie: Lying): Lying =>
  (world, outcome) =>
    outcome.args[0] === name ? lie(world, outcome) : null;
export const says =
  (change: (json: Record<string, unknown>) => object): Lying =>
  (_, outcome) => ({ ...outcome, json: { ...outcome.json, ...change(outcome.json ?? {}) } });
export const succeeds: Lying = (_, outcome) => ({ ...outcome, code: 0, json: { ...outcome.json, error: null } });
export const redis =
  (...command: [string, ...(string | number)[]]): Lying =>
  async (world) => {
    await world.main.redis().call(...command);
    return null;
  };

/** Changes the lines of the newest snapshot's first part, and counts its keys again. */
export function rewritten(world: World, change: (lines: string[]) => string[], folder = world.folders.store): null {
  const id = objects(folder)
    .map((name) => /^snapshots\/([^/]+)\/manifest\.json$/.exec(name)?.[1])
    .filter((each) => each !== undefined)
    .at(-1);
  const at = join(folder, 'snapshots', id ?? '');
  const manifest = JSON.parse(readFileSync(join(at, 'manifest.json'), 'utf8')) as {
    parts: { name: string }[];
    counts: { keys: number };
  };
  const part = join(at, manifest.parts[0]?.name ?? '');
  const lines = gunzipSync(readFileSync(part)).toString('utf8').split('\n').slice(0, -1);
  const next = change(lines);
  writeFileSync(part, gzipSync(`${next.join('\n')}\n`));
  manifest.counts.keys += next.length - lines.length;
  writeFileSync(join(at, 'manifest.json'), JSON.stringify(manifest));
  return null;
}

export const withoutKey = (key: string) => (lines: string[]) => lines.filter((line) => !line.includes(`"k":"${key}"`));
export const newestManifest = (world: World): string =>
  objects(world.folders.store)
    .filter((name) => /^snapshots\/[^/]+\/manifest\.json$/.test(name))
    .at(-1) ?? '';
