import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRadosgw, type Radosgw } from '../../dev/radosgw/index.js';
import { iamPolicy, trustPolicy } from '../../lib/setup/bucket.js';
import { cliJson } from './fixture.js';

let folder: string;
let gateway: Radosgw;
let functions: { accessKeyId: string; secretAccessKey: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-store-'));
  gateway = await startRadosgw({ folder });
  functions = await gateway.createUser('functions');
});
afterAll(async () => {
  await gateway.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Document {
  readonly failed: number;
  readonly checks: readonly { readonly name: string; readonly status: string; readonly detail: string }[];
}

/** With the administrator's keys beside those of the functions. */
async function initStore(store: string, ...args: string[]): Promise<Document & { readonly code: number }> {
  const env = {
    BACKUP_STORE: store,
    S3_REGION: gateway.region,
    S3_ENDPOINT: gateway.endpoint,
    S3_ACCESS_KEY_ID: functions.accessKeyId,
    S3_SECRET_ACCESS_KEY: functions.secretAccessKey,
    STORE_ADMIN_ACCESS_KEY_ID: gateway.accessKeyId,
    STORE_ADMIN_SECRET_ACCESS_KEY: gateway.secretAccessKey,
  };
  const { code, json } = await cliJson(['init', '--store', '--out', join(folder, 'deploy'), ...args], env);
  return { code, ...(json as unknown as Document) };
}

describe('init --store', () => {
  it('creates the bucket and writes policies that allow the functions what they need and nothing else', async () => {
    // Without the policy the functions may do nothing: the bucket is created, and their checks fail.
    const first = await initStore('s3://backups/nightly');
    const by = ({ checks }: Document, name: string) => checks.find((check) => check.name === name);
    expect([first.code, by(first, 'bucket')?.detail, by(first, 'store')?.status]).toEqual([1, 'created', 'fail']);
    expect(await readdir(join(folder, 'deploy'))).toEqual(
      expect.arrayContaining(['iam-policy.json', 'trust-policy.json', 'minio-policy.json', 'r2-token.json']),
    );

    const policy = await readFile(join(folder, 'deploy', 'bucket-policy.json'), 'utf8');
    const admin = new S3Client({ ...gateway, credentials: gateway, forcePathStyle: true });
    await admin.send(
      new PutBucketPolicyCommand({ Bucket: 'backups', Policy: policy.replaceAll('user/USER', 'user/functions') }),
    );
    const second = await initStore('s3://backups/nightly');
    expect(second.checks.filter(({ status }) => status === 'fail')).toEqual([]);
    expect([second.code, by(second, 'bucket')?.detail]).toEqual([0, 'exists']);
    const refusals = second.checks.filter(({ name }) => name.startsWith('may-not-'));
    expect(refusals.map(({ name, status }) => [name, status])).toEqual(
      ['write-outside', 'remove-kept', 'remove-version', 'read-policy'].map((what) => [`may-not-${what}`, 'ok']),
    );

    // Versioning on request, with a lifecycle rule for old versions.
    const other = await initStore('s3://versioned/nightly', '--versioning');
    const { Rules } = await admin.send(new GetBucketLifecycleConfigurationCommand({ Bucket: 'versioned' }));
    expect(Rules).toMatchObject([{ NoncurrentVersionExpiration: { NoncurrentDays: 30 } }]);
    // This gateway refuses conditional writes with versioning; init detects that and turns versioning off again.
    expect(by(other, 'bucket-versioning')).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('turned off again'),
    });
    expect((await admin.send(new GetBucketVersioningCommand({ Bucket: 'versioned' }))).Status).toBe('Suspended');
    admin.destroy();
  });

  it('warns when credentials allow too much', async () => {
    const before = functions;
    functions = gateway;
    const { checks } = await initStore('s3://backups/nightly').finally(() => (functions = before));
    const wide = checks.filter(({ name, status }) => name.startsWith('may-not-') && status === 'warn');
    expect(wide.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['may-not-write-outside', 'may-not-remove-version']),
    );
  });
});

describe('the policies', () => {
  it('never allow removing a version, nor access outside the prefix', () => {
    const text = JSON.stringify(iamPolicy({ bucket: 'b', prefix: 'p' }));
    expect(text).not.toMatch(/DeleteObjectVersion|"s3:\*"|Put(Bucket|Object)[A-Z]/);
    expect(
      text
        .match(/arn:aws:s3:::[^"]*/g)
        ?.every((arn) => arn === 'arn:aws:s3:::b' || arn.startsWith('arn:aws:s3:::b/p/')),
    ).toBe(true);
  });

  it('let only the production functions of one project assume the role', () => {
    expect(JSON.stringify(trustPolicy({ account: '1', team: 't', project: 'x' }))).toContain(
      'owner:t:project:x:environment:production',
    );
  });
});
