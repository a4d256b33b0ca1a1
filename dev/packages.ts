import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { AppError } from '../lib/errors.js';

const run = promisify(execFile);

/** A program that the local stack runs, and the Debian packages that contain it. */
interface DebianProgram {
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
  const script = 'PATH="$PATH:/usr/sbin:/sbin"; command -v -- "$1"';
  return run('sh', ['-c', script, 'sh', binary]).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
}

/**
 * Installs missing programs with apt-get if this user may (root, or sudo without a password); otherwise throws `config` with
 * the command to run. `announce` is called before anything is installed.
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
  if (prefix === null) throw notInstalledError(packages, byHand);
  announce(`installing Debian packages: ${packages.join(' ')}`);
  try {
    await aptGet(prefix, ['update', '-qq']);
    await aptGet(prefix, ['install', '-y', '-qq', '--no-install-recommends', ...packages]);
  } catch (cause) {
    throw notInstalledError(packages, byHand, cause);
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
  // No policy-rc.d is written: without an init system Debian's server package starts no service.
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

function notInstalledError(packages: readonly string[], byHand: string, cause?: unknown): AppError {
  return new AppError('config', `These Debian packages are needed and could not be installed: ${packages.join(', ')}`, {
    hint: `Install them by hand: ${byHand}`,
    cause,
  });
}
