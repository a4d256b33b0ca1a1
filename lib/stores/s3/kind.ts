import { z } from 'zod';
import { baseUrl, secret } from '../../variable-forms.js';
import { findSegmentProblem, type StoreKind } from '../kind.js';

export interface BucketPlace {
  readonly bucket: string;
  /** Without a slash at either end; empty: the whole bucket. */
  readonly prefix: string;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Characters of a prefix that every S3 service accepts unchanged. */
const SEGMENT = /^[A-Za-z0-9._~!$&'()*+,;=:@-]+$/;

/** A bucket of S3 or of a compatible service. The SDK is slow to load, so it is loaded at the first call. */
export const s3Kind = {
  begin: 's3://',
  form: 's3://bucket/prefix',
  shape: {
    S3_REGION: secret.optional(),
    S3_ENDPOINT: baseUrl.optional(),
    S3_ACCESS_KEY_ID: secret.optional(),
    S3_SECRET_ACCESS_KEY: secret.optional(),
    S3_SESSION_TOKEN: secret.optional(),
    /** An IAM role as AWS and Ceph name it. */
    S3_ROLE_ARN: secret.refine((text) => text.startsWith('arn:'), { error: 'must begin with arn:' }).optional(),
  },
  shared: { AWS_PROFILE: z.string().optional() },
  place(rest) {
    const [bucket = ''] = rest.split('/', 1);
    const prefix = rest.slice(bucket.length + 1);
    if (bucket.includes('@')) return 'must not hold credentials: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY';
    if (bucket.includes(':')) return 'must not hold a port: set S3_ENDPOINT';
    if (!BUCKET.test(bucket))
      return 'must be s3://bucket/prefix, with a bucket of 3 to 63 lower-case letters, digits, - and .';
    if (prefix === '') return { bucket, prefix };
    const problem = findSegmentProblem(prefix);
    if (problem !== null) return problem;
    if (!prefix.split('/').every((segment) => SEGMENT.test(segment)))
      return 'has a prefix with blanks or other unusual characters';
    return { bucket, prefix };
  },
  /**
   * Keys are optional: without them the role is used where Vercel's OIDC token is available, and otherwise the AWS SDK's
   * default chain (profile, SSO, environment, metadata of the machine).
   */
  problems(settings) {
    const needsKeys = ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY', 'S3_SESSION_TOKEN'].some(
      (name) => settings[name] !== undefined,
    );
    const needed = ['S3_REGION', ...(needsKeys ? ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'] : [])];
    return needed.filter((name) => settings[name] === undefined).map((name) => [name, 'is missing']);
  },
  async open(place, settings, context) {
    const { openS3 } = await import('./open.js');
    return openS3(place, settings, context);
  },
} as const satisfies StoreKind<BucketPlace>;
