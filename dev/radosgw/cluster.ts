import { type ChildProcess, spawn, execFile } from 'node:child_process';
import { open, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findProgram } from '../packages.js';

/** Folder, id and ports of a cluster. */
interface ClusterPlace {
  readonly folder: string;
  /** UUID of the cluster. */
  readonly fsid: string;
  readonly monPort: number;
  readonly rgwPort: number;
}

/**
 * ceph.conf of a cluster of one monitor, one OSD with objects in memory, and one gateway. Everything stays in the folder and on
 * the loopback interface, so that several clusters, and a real one, can run side by side.
 */
function cephConf({ folder, fsid, monPort, rgwPort }: ClusterPlace): string {
  const settings: Readonly<Record<string, string | number | boolean>> = {
    fsid,
    mon_host: `v2:127.0.0.1:${monPort}`,
    public_addr: '127.0.0.1',
    cluster_addr: '127.0.0.1',
    ms_bind_ipv6: false,
    ms_bind_msgr1: false,
    // Without keys the monitor cannot encrypt, which is the default.
    auth_cluster_required: 'none',
    auth_service_required: 'none',
    auth_client_required: 'none',
    ms_mon_client_mode: 'crc',
    ms_mon_service_mode: 'crc',
    ms_mon_cluster_mode: 'crc',
    run_dir: folder,
    admin_socket: '',
    pid_file: '',
    crash_dir: folder,
    keyring: `${folder}/keyring`,
    log_file: `${folder}/$name.log`,
    mon_cluster_log_file: `${folder}/cluster.log`,
    mon_data: `${folder}/mon`,
    mon_data_avail_warn: 0,
    mon_data_avail_crit: 0,
    mon_allow_pool_size_one: true,
    // By default the monitor collects changes for a second; pools are created one after the other, so the waits add up.
    paxos_propose_interval: 0.01,
    paxos_min_wait: 0.01,
    osd_data: `${folder}/osd`,
    osd_objectstore: 'memstore',
    memstore_device_bytes: 8 * 1024 ** 3,
    osd_pool_default_size: 1,
    osd_pool_default_min_size: 1,
    osd_pool_default_pg_num: 1,
    osd_pool_default_pgp_num: 1,
    osd_crush_chooseleaf_type: 0,
    rgw_rados_pool_pg_num_min: 1,
    rgw_data: `${folder}/rgw`,
    rgw_frontends: `beast endpoint=127.0.0.1:${rgwPort} tcp_nodelay=1`,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
  return `[global]\n${lines.join('\n')}\n`;
}

/** Processes that end together: on `stop`, or when this process ends for any reason. */
interface Daemons {
  /** Starts a program in the foreground; its output goes to `{folder}/{binary}.out`. */
  start(binary: string, args: readonly string[]): Promise<void>;
  /** Name of a program that has ended unexpectedly, or null. */
  ended(): string | null;
  /** Kills the processes, the last started first, and waits until they have ended. */
  stop(): Promise<void>;
}

/**
 * A shell reads process ids from a pipe. The kernel closes the pipe when this process dies, even by SIGKILL; then the shell
 * kills the processes and removes the folder.
 */
const CLEANUP_SCRIPT = 'while read -r pid; do pids="$pids $pid"; done; kill -9 $pids; rm -rf -- "$1"';

/** `environment` is for the programs; `folder` is removed when this process dies before `stop`. */
export function daemonsIn(folder: string, environment: NodeJS.ProcessEnv): Daemons {
  const children: { readonly binary: string; readonly child: ChildProcess }[] = [];
  // Detached: a Ctrl-C at the terminal must reach only this process.
  const cleaner = spawn('sh', ['-c', CLEANUP_SCRIPT, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  cleaner.stdin.on('error', () => undefined);
  return {
    async start(binary, args) {
      const program = (await findProgram(binary)) ?? binary;
      const output = await open(join(folder, `${binary}.out`), 'w', 0o600);
      try {
        const child = spawn(program, args, {
          stdio: ['ignore', output.fd, output.fd],
          env: environment,
          cwd: folder,
          detached: true,
        });
        // A program that cannot be started counts as ended.
        child.on('error', () => undefined);
        if (child.pid !== undefined) cleaner.stdin.write(`${child.pid}\n`);
        children.push({ binary, child });
      } finally {
        await output.close();
      }
    },
    ended: () => children.find(({ child }) => !isRunning(child))?.binary ?? null,
    async stop() {
      for (const { child } of children.splice(0).reverse()) await kill(child);
      await kill(cleaner);
    },
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function kill(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}

const execute = promisify(execFile);
/** One step takes under a second on an idle machine, in milliseconds. */
const STEP_MS = 60_000;

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Creates and starts monitor, OSD, a user with these keys, and the gateway; waits until the gateway answers. */
export async function bootCluster(
  place: ClusterPlace,
  keys: Keys,
  daemons: Daemons,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const { folder, fsid, monPort, rgwPort } = place;
  const run = async (program: string, ...args: string[]): Promise<void> => {
    await execute(program, args, { cwd: folder, env: environment, timeout: STEP_MS, killSignal: 'SIGKILL' });
  };
  for (const part of ['mon', 'osd', 'rgw']) await mkdir(join(folder, part), { recursive: true });
  await writeFile(join(folder, 'ceph.conf'), cephConf(place), { mode: 0o600 });

  const monitor = ['--addv', 'a', `v2:127.0.0.1:${monPort}`];
  await run('monmaptool', '--create', ...monitor, '--fsid', fsid, '--enable-all-features', 'monmap');
  await run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', 'monmap');
  await daemons.start('ceph-mon', ['-f', '-i', 'a']);

  // The monitor refuses an OSD that was created with another UUID.
  const osd = randomUUID();
  await run('ceph', 'osd', 'new', osd);
  await run('ceph-osd', '--mkfs', '-i', '0', '--osd-uuid', osd);
  await daemons.start('ceph-osd', ['-f', '-i', '0']);

  await createRadosUser('local', keys, environment);
  await daemons.start('radosgw', ['-f', '-n', 'client.rgw']);
  await waitUntilAnswers(rgwPort, daemons);
}

/** Creates a user of the gateway, whether the gateway runs or not. */
export async function createRadosUser(name: string, keys: Keys, environment: NodeJS.ProcessEnv): Promise<void> {
  const key = ['--access-key', keys.accessKeyId, '--secret-key', keys.secretAccessKey];
  const args = ['user', 'create', '--uid', name, '--display-name', name, ...key];
  await execute('radosgw-admin', args, { env: environment, timeout: STEP_MS, killSignal: 'SIGKILL' });
}

/** Replaces the keys of the owner that `bootCluster` created. */
export async function replaceRadosKeys(old: Keys, fresh: Keys, environment: NodeJS.ProcessEnv): Promise<void> {
  const options = { env: environment, timeout: STEP_MS, killSignal: 'SIGKILL' } as const;
  const key = ['--uid', 'local', '--key-type', 's3', '--access-key'];
  await execute(
    'radosgw-admin',
    ['key', 'create', ...key, fresh.accessKeyId, '--secret-key', fresh.secretAccessKey],
    options,
  );
  await execute('radosgw-admin', ['key', 'rm', ...key, old.accessKeyId], options);
}

async function waitUntilAnswers(port: number, daemons: Daemons): Promise<void> {
  const deadline = Date.now() + STEP_MS;
  while (!(await answers(port))) {
    const ended = daemons.ended();
    if (ended !== null) throw new Error(`${ended} ended by itself`);
    if (Date.now() > deadline) throw new Error('radosgw does not answer');
    await delay(50);
  }
  // Another process may have taken the port and answered; then our gateway has ended.
  const ended = daemons.ended();
  if (ended !== null) throw new Error(`${ended} ended by itself`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, agent: false }, (reply) => {
      reply.resume();
      resolve(true);
    }).once('error', () => resolve(false));
  });
}
