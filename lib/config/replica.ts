import { z } from 'zod';
import { s3CredentialProblems } from './s3-credentials.js';
import { storeUrl } from './store-url.js';
import { baseUrl, secret } from './values.js';

/** The second store. It has variables of its own throughout: what fails with the first region must not be needed here. */
export function replicaSection(roleArn: z.ZodType<string>) {
  return z
    .object({
      BACKUP_STORE: z.string().optional(),
      S3_ENDPOINT: z.string().optional(),
      BACKUP_REPLICA_STORE: storeUrl,
      REPLICA_S3_REGION: secret.optional(),
      REPLICA_S3_ENDPOINT: baseUrl.optional(),
      REPLICA_S3_ACCESS_KEY_ID: secret.optional(),
      REPLICA_S3_SECRET_ACCESS_KEY: secret.optional(),
      REPLICA_S3_SESSION_TOKEN: secret.optional(),
      REPLICA_S3_ROLE_ARN: roleArn.optional(),
    })
    .superRefine((value, context) => {
      const say = (name: string, message: string): void => context.addIssue({ code: 'custom', path: [name], message });
      const sameEndpoint = plain(value.S3_ENDPOINT) === plain(value.REPLICA_S3_ENDPOINT);
      if (sameEndpoint && plain(value.BACKUP_STORE) === plain(value.BACKUP_REPLICA_STORE)) {
        say('BACKUP_REPLICA_STORE', 'is the same place as BACKUP_STORE');
      }
      if (!value.BACKUP_REPLICA_STORE.startsWith('s3://')) return;
      for (const [name, message] of s3CredentialProblems(value, 'REPLICA_')) say(name, message);
    });
}

function plain(store: string | undefined): string | null {
  return store?.replace(/\/+$/, '') ?? null;
}
