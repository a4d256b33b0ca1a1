import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { AppError } from '../lib/errors.js';

const run = promisify(execFile);

/** A program the local stack runs, and the Debian packages that bring it. */
export interface DebianProgram {
  readonly binary: string;
  readonly packages: readonly string[];
}

export const REDIS_SERVER: DebianProgram = { binary: 'redis-server', packages: ['redis-server'] };
export const AGE: DebianProgram = { binary: 'age', packages: ['age'] };
export const JQ: DebianProgram = { binary: 'jq', packages: ['jq'] };
export const CHROMIUM: DebianProgram = { binary: 'chromium-headless-shell', packages: ['chromium-headless-shell'] };
export const RADOSGW: DebianProgram = {
  binary: 'radosgw',
  packages: ['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-mgr', 'ceph-base', 'ceph-common'],
};

/** Full path of a program on PATH or in /usr/sbin; null if it is not installed. */
export async function findProgram(binary: string): Promise<string | null> {
  const look = 'PATH="$PATH:/usr/sbin:/sbin"; command -v -- "$1"';
  return run('sh', ['-c', look, 'sh', binary]).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
}

/**
 * Makes sure that the programs are there: installs what is missing with apt-get where this user may (root, or sudo
 * without a password), else throws `config` with the line to type. `announce` is told before anything is installed.
 */
export async function ensurePrograms(
  programs: readonly DebianProgram[],
  announce: (line: string) => void = () => undefined,
): Promise<void> {
  const missing: DebianProgram[] = [];
  for (const program of programs) if ((await findProgram(program.binary)) === null) missing.push(program);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap((program) => program.packages))];
  const prefix = await privilegePrefix();
  const byHand = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (prefix === null) throw notInstalled(packages, byHand);
  announce(`installing Debian packages: ${packages.join(' ')}`);
  try {
    await aptGet(prefix, ['update', '-qq']);
    await aptGet(prefix, ['install', '-y', '-qq', '--no-install-recommends', ...packages]);
  } catch (cause) {
    throw notInstalled(packages, byHand, cause);
  }
}

async function privilegePrefix(): Promise<readonly string[] | null> {
  if ((await findProgram('apt-get')) === null) return null;
  if (process.getuid?.() === 0) return [];
  const allowed = await run('sudo', ['-n', 'true']).then(
    () => true,
    () => false,
  );
  return allowed ? ['sudo', '-n'] : null;
}

async function aptGet(prefix: readonly string[], args: readonly string[]): Promise<void> {
  // policy-rc.d is not ours to write; Debian's server package starts no service where no init system runs.
  const line = [
    ...prefix,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-o',
    'DPkg::Lock::Timeout=120',
    ...args,
  ];
  const [program, ...rest] = line as [string, ...string[]];
  await run(program, rest, { maxBuffer: 16 * 1024 * 1024 });
}

function notInstalled(packages: readonly string[], byHand: string, cause?: unknown): AppError {
  return new AppError('config', `These Debian packages are needed and could not be installed: ${packages.join(', ')}`, {
    hint: `Install them by hand: ${byHand}`,
    cause,
  });
}
