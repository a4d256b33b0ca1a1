import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Keys } from '../radosgw/boot.js';
import { startRadosgw } from '../radosgw/index.js';

/** The object store of a stack, and the variables that configure it. */
export interface StackStore {
  readonly variables: Readonly<Record<string, string>>;
  /** The S3 endpoint; null for a folder. */
  readonly endpoint: string | null;
  /** Replaces the keys of the functions' user; null for a folder. */
  readonly changeKeys: (() => Promise<Keys>) | null;
  stop(): Promise<void>;
}

const BUCKET = 'soulcaster-backup';

/** A store in a subfolder of `folder`, which is kept when the stack ends. */
export async function folderStore(folder: string): Promise<StackStore> {
  const path = join(folder, 'store');
  await mkdir(path, { recursive: true });
  const variables = { BACKUP_STORE: `file://${path}` };
  return { variables, endpoint: null, changeKeys: null, stop: () => Promise.resolve() };
}

/** A bucket of Ceph's S3 gateway, in memory. */
export async function bucketStore(folder: string): Promise<StackStore> {
  const gateway = await startRadosgw({ folder });
  try {
    await gateway.createBucket(BUCKET);
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  const variables = {
    BACKUP_STORE: `s3://${BUCKET}/nightly`,
    S3_REGION: gateway.region,
    S3_ENDPOINT: gateway.endpoint,
    S3_ACCESS_KEY_ID: gateway.accessKeyId,
    S3_SECRET_ACCESS_KEY: gateway.secretAccessKey,
  };
  return {
    variables,
    endpoint: gateway.endpoint,
    changeKeys: () => gateway.changeKeys(),
    stop: () => gateway.stop(),
  };
}
