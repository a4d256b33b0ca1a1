import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig, type Environment } from '../../app/config.js';
import { connect } from '../../app/connect.js';
import { connectPlainStore } from '../../app/connect/stores.js';
import { bucketPlace, connectBucket } from '../../app/connect/stores.js';
import { AppError } from '../../errors.js';
import { storeChecks, probeConditionalWrites } from '../../health/checks/store.js';
import {
  bucketSetupChecks,
  NOT_TRIED,
  refusalChecks,
  bucketPolicy,
  iamPolicy,
  r2TokenPolicy,
  trustPolicy,
  ACL_COMMAND,
  ACL_TOKEN_COMMAND,
  aclChecks,
} from '../../setup/bucket.js';
import type { Context } from '../context.js';
import { runChecks } from '../doctor.js';
import { randomUUID } from 'node:crypto';
import { redisChecks } from '../../health/checks/redis.js';

export interface StoreOptions {
  /** Folder for the policies. */
  readonly out: string;
  /** Default: only on AWS. Some services refuse conditional writes in a bucket with versioning. */
  readonly versioning?: boolean;
  /** Days for which no object can be removed. */
  readonly objectLock?: number;
  /** The team's name in Vercel's URLs, for the trust policy. */
  readonly teamSlug?: string;
}

/** How long old versions are kept, in days. */
const OLD_VERSION_DAYS = 30;

/**
 * `init --store`: creates or checks the bucket of BACKUP_STORE, writes policies for it, and tests what the functions' credentials
 * may and may not do. STORE_ADMIN_ACCESS_KEY_ID and _SECRET_ACCESS_KEY, if set, are used to set up the bucket; they belong to an
 * administrator and must not be stored in a file.
 */
export async function initStore(context: Context, options: StoreOptions): Promise<number> {
  const { env } = context;
  const { store } = loadConfig(env, ['store']);
  const place = bucketPlace(store);
  if (place === null) {
    throw new AppError('usage', 'BACKUP_STORE is not a bucket, so there is nothing to set up', {
      hint: 'Set BACKUP_STORE to s3://bucket/prefix. To check a folder: `npx soulcaster-backup doctor --env-file .env`.',
    });
  }
  const { clock } = connect(env, ['clock']);
  const onAws = store.S3_ENDPOINT === undefined;
  const files = await writePolicies(options, place, env);
  context.print(['Policies for the functions:', ...files.map((file) => `  ${file}`)].join('\n'));
  const admin = loadConfig(adminEnvironment(env), ['store']).store;
  const versioning = options.versioning ?? onAws;
  const probeWrites = (): Promise<void> => probeConditionalWrites(connectPlainStore(admin), clock);
  const [adminBucket, bucket] = [await connectBucket(admin, place), await connectBucket(store, place)];
  const groups = [
    bucketSetupChecks(() => adminBucket, probeWrites, {
      blockPublicAccess: onAws,
      versioning: versioning || options.objectLock !== undefined,
      oldVersionDays: OLD_VERSION_DAYS,
      lockDays: options.objectLock ?? null,
    }),
    storeChecks(() => connectPlainStore(store), store.BACKUP_STORE, clock),
    ...refusalChecks(() => bucket, place.prefix),
  ];
  if (!versioning)
    context.note(
      'Versioning is left unchanged: turn it on with --versioning if the service supports conditional writes with versioning.',
    );
  context.note(`Not tried: ${NOT_TRIED.join('; ')}.`);
  const checks = await runChecks(context, clock, groups);
  return checks.every(({ ok }) => ok) ? 0 : 1;
}

function adminEnvironment(env: Environment): Environment {
  const { STORE_ADMIN_ACCESS_KEY_ID: id = '', STORE_ADMIN_SECRET_ACCESS_KEY: secret = '' } = env;
  if (id === '' || secret === '') return env;
  return {
    ...env,
    S3_ACCESS_KEY_ID: id,
    S3_SECRET_ACCESS_KEY: secret,
    S3_SESSION_TOKEN: env['STORE_ADMIN_SESSION_TOKEN'],
  };
}

/** Writes the policies, replacing earlier ones. Unknown names are placeholders in capital letters. */
async function writePolicies(
  { out, teamSlug }: StoreOptions,
  place: { readonly bucket: string; readonly prefix: string },
  env: Environment,
): Promise<string[]> {
  const account = /^arn:[^:]*:iam::(\d+):/.exec(env['S3_ROLE_ARN'] ?? '')?.[1] ?? 'ACCOUNT_ID';
  const project = (env['SOULCASTER_BACKUP_PROJECT'] ?? '') || 'PROJECT';
  const r2 = /^https:\/\/([0-9a-f]{32})\./.exec(env['S3_ENDPOINT'] ?? '')?.[1] ?? 'ACCOUNT_ID';
  const policies: Record<string, object> = {
    'iam-policy.json': iamPolicy(place),
    'trust-policy.json': trustPolicy({ account, team: teamSlug ?? 'TEAM_SLUG', project }),
    'minio-policy.json': iamPolicy(place),
    'bucket-policy.json': bucketPolicy(place, 'arn:aws:iam:::user/USER'),
    'r2-token.json': r2TokenPolicy(place, r2),
  };
  await mkdir(out, { recursive: true });
  const written: string[] = [];
  for (const [name, policy] of Object.entries(policies)) {
    const path = join(out, name);
    await writeFile(path, `${JSON.stringify(policy, null, 2)}\n`);
    written.push(path);
  }
  return written;
}

/** `init --acl`: shows how to create a read-only database user, and tests whether the configured token is read-only. */
export async function initAcl(context: Context): Promise<number> {
  const { clock, redis } = connect(context.env, ['clock', 'redis']);
  context.print(
    [
      'A database user for snapshots (Upstash console, CLI, or redis-cli):',
      `  ${ACL_COMMAND}`,
      'Its token for the REST API, on Upstash:',
      `  ${ACL_TOKEN_COMMAND}`,
      'Checks of UPSTASH_REDIS_REST_TOKEN:',
    ].join('\n'),
  );
  const checks = await runChecks(context, clock, [
    redisChecks(() => redis, clock),
    aclChecks(() => redis, randomUUID()),
  ]);
  return checks.every(({ ok }) => ok) ? 0 : 1;
}
