import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import getPort from 'get-port';
import { AppError } from '../../lib/errors.js';
import { ensurePrograms, RADOSGW } from '../packages.js';
import { bootCluster, createRadosUser, replaceRadosKeys, type Keys, daemonsIn } from './cluster.js';

interface RadosgwOptions {
  /** Parent of the cluster's folder; default: the system's temporary folder. */
  readonly folder?: string;
}

export interface Radosgw extends Keys {
  /** Base URL of the S3 interface, on loopback; buckets are in the path. */
  readonly endpoint: string;
  readonly region: string;
  createBucket(name: string): Promise<void>;
  /** Creates another user, who may only do what a policy allows. */
  createUser(name: string): Promise<Keys>;
  /** Replaces the keys of the owner of all buckets; the old keys are refused. */
  changeKeys(): Promise<Keys>;
  /** Ends the cluster and removes its folder. The objects, which are held in memory, are lost. */
  stop(): Promise<void>;
}

const REGION = 'us-east-1';
const START_TRIES = 3;

/**
 * Ceph's S3 gateway, a real S3 server, over a cluster of one node. It needs no root, uses a separate folder and the loopback
 * interface, and ends with this process. Throws `config` when it cannot be started.
 */
export async function startRadosgw({ folder = tmpdir() }: RadosgwOptions = {}): Promise<Radosgw> {
  await ensurePrograms([RADOSGW]);
  await mkdir(folder, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(folder);
    } catch (cause) {
      // Another process may take the free port before the cluster listens on it.
      if (attempt < START_TRIES) continue;
      throw new AppError('config', 'radosgw did not start', {
        hint: 'Check that the Ceph packages are complete (radosgw --version), and that 200 MB of memory are free.',
        cause,
      });
    }
  }
}

async function startOnce(parent: string): Promise<Radosgw> {
  const folder = await mkdtemp(join(parent, 'radosgw-'));
  const environment = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: folder, CEPH_CONF: join(folder, 'ceph.conf') };
  const daemons = daemonsIn(folder, environment);
  const stop = async () => {
    await daemons.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const place = { folder, fsid: randomUUID(), monPort: await getPort(), rgwPort: await getPort() };
    const keys = newKeys();
    await bootCluster(place, keys, daemons, environment);
    const createUser = async (name: string): Promise<Keys> => {
      const fresh = newKeys();
      await createRadosUser(name, fresh, environment);
      return fresh;
    };
    let owner = keys;
    const endpoint = `http://127.0.0.1:${place.rgwPort}`;
    return {
      endpoint,
      region: REGION,
      ...keys,
      stop,
      createUser,
      async changeKeys() {
        const fresh = newKeys();
        await replaceRadosKeys(owner, fresh, environment);
        return (owner = fresh);
      },
      createBucket: (name) => createBucket(endpoint, keys, name),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function newKeys(): Keys {
  return { accessKeyId: randomBytes(10).toString('hex'), secretAccessKey: randomBytes(20).toString('hex') };
}

async function createBucket(endpoint: string, credentials: Keys, Bucket: string): Promise<void> {
  const client = new S3Client({ endpoint, region: REGION, credentials, forcePathStyle: true });
  try {
    await client.send(new CreateBucketCommand({ Bucket }));
  } finally {
    client.destroy();
  }
}
