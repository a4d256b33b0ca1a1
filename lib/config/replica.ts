import { z } from 'zod';

/** The second store. It has variables of its own throughout: what fails with the first region must not be needed here. */
export function replicaSection<U extends z.ZodType<string>, S extends z.ZodType<string>>(
  storeUrl: z.ZodType<string>,
  url: U,
  secret: S,
) {
  return z
    .object({
      BACKUP_STORE: z.string().optional(),
      S3_ENDPOINT: z.string().optional(),
      BACKUP_REPLICA_STORE: storeUrl,
      REPLICA_S3_REGION: z.string().optional(),
      REPLICA_S3_ENDPOINT: url.optional(),
      REPLICA_S3_ACCESS_KEY_ID: secret.optional(),
      REPLICA_S3_SECRET_ACCESS_KEY: secret.optional(),
      REPLICA_S3_ROLE_ARN: z.string().startsWith('arn:').optional(),
    })
    .superRefine((value, context) => {
      const say = (name: string, message: string): void => context.addIssue({ code: 'custom', path: [name], message });
      const sameEndpoint = (value.S3_ENDPOINT ?? '') === (value.REPLICA_S3_ENDPOINT ?? '');
      if (sameEndpoint && plain(value.BACKUP_STORE) === plain(value.BACKUP_REPLICA_STORE)) {
        say('BACKUP_REPLICA_STORE', 'is the same place as BACKUP_STORE');
      }
      if (!value.BACKUP_REPLICA_STORE.startsWith('s3://')) return;
      if (value.REPLICA_S3_REGION === undefined) say('REPLICA_S3_REGION', 'is missing');
      if (value.REPLICA_S3_ROLE_ARN !== undefined) return;
      for (const name of ['REPLICA_S3_ACCESS_KEY_ID', 'REPLICA_S3_SECRET_ACCESS_KEY'] as const) {
        if (value[name] === undefined) say(name, 'is missing');
      }
    });
}

function plain(store: string | undefined): string | null {
  return store?.replace(/\/+$/, '') ?? null;
}
