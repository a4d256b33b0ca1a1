import { randomUUID } from 'node:crypto';
import {
  type BucketLocationConstraint,
  CreateBucketCommand,
  DeleteBucketEncryptionCommand,
  DeleteBucketLifecycleCommand,
  DeleteObjectCommand,
  DeletePublicAccessBlockCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  type LifecycleRule,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Bucket, Forbidden, Protection } from '../../ports/store.js';
import { s3CodeOf, s3Error, s3StatusOf } from './errors.js';
import { s3Client, type S3StoreOptions } from './store.js';

/** The id of our lifecycle rule; a bucket may have others. */
const RULE_ID = 'soulcaster-backup-old-versions';
/** Days after which the remains of an aborted upload are removed. */
const ABORT_DAYS = 7;

/** Error codes of a setting that is not set. */
const NOT_SET = [
  'NoSuchPublicAccessBlockConfiguration',
  'NoSuchLifecycleConfiguration',
  'ServerSideEncryptionConfigurationNotFoundError',
  'ObjectLockConfigurationNotFoundError',
  'NoSuchObjectLockConfiguration',
];

const ALL_BLOCKED = {
  BlockPublicAcls: true,
  BlockPublicPolicy: true,
  IgnorePublicAcls: true,
  RestrictPublicBuckets: true,
} as const;

/** A bucket's settings, over the S3 API. One or two requests per call, without retries. */
export function s3Bucket(options: S3StoreOptions): Bucket {
  const { bucket: Bucket, prefix, region } = options;
  const base = prefix === '' ? '' : `${prefix}/`;
  const client = s3Client(options);
  const withS3Errors = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw s3Error(Bucket, error, { source: options.credentialSource ?? null, variables: options.variables ?? 'S3_' });
    }
  };
  return {
    exists: () =>
      withS3Errors(async () => {
        try {
          await client.send(new HeadBucketCommand({ Bucket }));
          return true;
        } catch (error) {
          if (s3StatusOf(error) === 404) return false;
          throw error;
        }
      }),
    create: ({ objectLock }) =>
      withS3Errors(async () => {
        const place =
          region === 'us-east-1' || options.endpoint !== undefined
            ? {}
            : { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } };
        const lock = objectLock ? { ObjectLockEnabledForBucket: true } : {};
        await client.send(new CreateBucketCommand({ Bucket, ...place, ...lock }));
      }),
    state: (protection) =>
      withS3Errors(async () => {
        try {
          return (await isEnabled(client, Bucket, protection)) ? 'on' : 'off';
        } catch (error) {
          if (NOT_SET.includes(s3CodeOf(error))) return 'off';
          if (isUnsupported(error)) return 'unsupported';
          throw error;
        }
      }),
    enable: (protection, days) =>
      withS3Errors(async () => {
        try {
          await turnOn(client, Bucket, protection, base, days);
          return 'done';
        } catch (error) {
          if (isUnsupported(error) || s3StatusOf(error) === 400) return 'unsupported';
          throw error;
        }
      }),
    disable: (protection) => withS3Errors(() => turnOff(client, Bucket, protection)),
    attempt: (what) =>
      withS3Errors(async () => {
        try {
          await attemptForbidden(client, Bucket, base, what);
          return 'allowed';
        } catch (error) {
          if (s3StatusOf(error) === 403) return 'refused';
          // A store checks permissions first: 404 and 400 mean that the request was allowed.
          if (s3StatusOf(error) === 404 || s3StatusOf(error) === 400) return 'allowed';
          throw error;
        }
      }),
  };
}

/** A service that lacks a setting says so in one of these ways. */
function isUnsupported(error: unknown): boolean {
  return [405, 501].includes(s3StatusOf(error)) || ['NotImplemented', 'MethodNotAllowed'].includes(s3CodeOf(error));
}

async function isEnabled(client: S3Client, Bucket: string, protection: Protection): Promise<boolean> {
  switch (protection) {
    case 'versioning':
      return (await client.send(new GetBucketVersioningCommand({ Bucket }))).Status === 'Enabled';
    case 'public-access': {
      const { PublicAccessBlockConfiguration: found } = await client.send(new GetPublicAccessBlockCommand({ Bucket }));
      return (Object.keys(ALL_BLOCKED) as (keyof typeof ALL_BLOCKED)[]).every((name) => found?.[name] === true);
    }
    case 'encryption': {
      const { ServerSideEncryptionConfiguration: found } = await client.send(
        new GetBucketEncryptionCommand({ Bucket }),
      );
      return (found?.Rules ?? []).length > 0;
    }
    case 'lifecycle':
      return (await readRules(client, Bucket)).some(
        ({ NoncurrentVersionExpiration: old, Status }) => Status === 'Enabled' && (old?.NoncurrentDays ?? 0) > 0,
      );
    case 'object-lock': {
      const { ObjectLockConfiguration: found } = await client.send(new GetObjectLockConfigurationCommand({ Bucket }));
      return found?.Rule?.DefaultRetention !== undefined;
    }
  }
}

async function turnOn(
  client: S3Client,
  Bucket: string,
  protection: Protection,
  base: string,
  days: number,
): Promise<void> {
  switch (protection) {
    case 'versioning':
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
      return;
    case 'public-access':
      await client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: ALL_BLOCKED }));
      return;
    case 'encryption': {
      const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const } };
      await client.send(
        new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules: [rule] } }),
      );
      return;
    }
    case 'lifecycle': {
      // The whole list is written at once, so rules of others are kept.
      const others = (await readRules(client, Bucket)).filter(({ ID }) => ID !== RULE_ID);
      const ours: LifecycleRule = {
        ID: RULE_ID,
        Status: 'Enabled',
        Filter: { Prefix: base },
        NoncurrentVersionExpiration: { NoncurrentDays: days },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: ABORT_DAYS },
      };
      const LifecycleConfiguration = { Rules: [...others, ours] };
      await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }));
      return;
    }
    case 'object-lock': {
      const Rule = { DefaultRetention: { Mode: 'GOVERNANCE' as const, Days: days } };
      const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const, Rule };
      await client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
    }
  }
}

async function turnOff(client: S3Client, Bucket: string, protection: Protection): Promise<void> {
  switch (protection) {
    case 'versioning':
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }));
      return;
    case 'public-access':
      await client.send(new DeletePublicAccessBlockCommand({ Bucket }));
      return;
    case 'encryption':
      await client.send(new DeleteBucketEncryptionCommand({ Bucket }));
      return;
    case 'lifecycle': {
      const Rules = (await readRules(client, Bucket)).filter(({ ID }) => ID !== RULE_ID);
      if (Rules.length === 0) await client.send(new DeleteBucketLifecycleCommand({ Bucket }));
      else await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
      return;
    }
    case 'object-lock': {
      const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const };
      await client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
    }
  }
}

async function readRules(client: S3Client, Bucket: string): Promise<LifecycleRule[]> {
  try {
    return (await client.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules ?? [];
  } catch (error) {
    if (s3CodeOf(error) === 'NoSuchLifecycleConfiguration') return [];
    throw error;
  }
}

/** Uses names that no object has, so that an allowed request does no harm. */
async function attemptForbidden(client: S3Client, Bucket: string, base: string, what: Forbidden): Promise<void> {
  const name = randomUUID();
  const outside = `soulcaster-backup-probe-${name}`;
  switch (what) {
    case 'write-outside':
      await client.send(new PutObjectCommand({ Bucket, Key: outside, Body: Buffer.from(name) }));
      await client.send(new DeleteObjectCommand({ Bucket, Key: outside })).catch(() => undefined);
      return;
    case 'remove-kept':
      await client.send(new DeleteObjectCommand({ Bucket, Key: `${base}kept/${name}` }));
      return;
    case 'remove-version':
      await client.send(new DeleteObjectCommand({ Bucket, Key: `${base}snapshots/${name}`, VersionId: 'null' }));
      return;
    case 'read-policy':
      await client.send(new GetBucketPolicyCommand({ Bucket }));
  }
}
