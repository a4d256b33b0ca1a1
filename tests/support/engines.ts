import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const UNPACK = join(import.meta.dirname, 'engines/unpack.sh');

export interface TestEngine {
  readonly name: 'redis 7.0' | 'redis 8' | 'valkey 9';
  /** What starts the server: a name on PATH, or a full path. */
  readonly program: string;
  /** Whether it knows HPEXPIRE and its kin. */
  readonly fieldExpiry: boolean;
}

interface MissingEngine {
  readonly name: TestEngine['name'];
  /** Why it cannot be had on this machine. */
  readonly missing: string;
}

const NEWER = [
  { name: 'redis 8', file: 'redis-8' },
  { name: 'valkey 9', file: 'valkey-9' },
] as const;

/**
 * The servers that suites run on: Debian's redis-server, and newer ones that are unpacked into the user's cache at the
 * first call (`.ci/run` does it before the tests). Where they cannot be had each says why.
 */
export async function engines(): Promise<readonly (TestEngine | MissingEngine)[]> {
  const old: TestEngine = { name: 'redis 7.0', program: 'redis-server', fieldExpiry: false };
  const folder = await newerServers();
  return [
    old,
    ...NEWER.map(({ name, file }) =>
      'missing' in folder ? { name, ...folder } : { name, program: join(folder.path, file), fieldExpiry: true },
    ),
  ];
}

/** Only those that are there. */
export async function presentEngines(): Promise<readonly TestEngine[]> {
  return (await engines()).filter((engine): engine is TestEngine => 'program' in engine);
}

async function newerServers(): Promise<{ readonly path: string } | { readonly missing: string }> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const path = join(process.env['ENGINES_FOLDER'] ?? join(cache, 'soulcaster-backup/engines'), `${suiteName()}-1`);
  if (existsSync(join(path, 'ready'))) return { path };
  try {
    const { stdout } = await run('bash', [UNPACK], { timeout: 900_000 });
    return { path: stdout.trim().split('\n').at(-1) ?? path };
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').at(-1) : '';
    return { missing: words === undefined || words === '' ? 'they could not be unpacked' : words };
  }
}

const suiteName = (): string => process.env['ENGINES_SUITE'] ?? 'testing';
