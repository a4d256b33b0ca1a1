import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cephConf, type ClusterPlace } from './conf.js';
import type { Daemons } from './daemons.js';

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
