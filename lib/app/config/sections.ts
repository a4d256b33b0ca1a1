import { z } from 'zod';
import { number } from '../../variable-forms.js';
import { STORE_NAMES, STORE_SHAPE, findStoreProblems, storeUrl } from '../../stores/registry.js';

const slots = (fallback: number) => number({ least: 0, most: 100_000 }).default(fallback);
const days = (fallback: number, least = 1) => number({ least, most: 36_500, decimals: true }).default(fallback);

/** How long stored objects are kept. */
export const retentionSection = z
  .object({
    RETENTION_KEEP_LAST: slots(7),
    RETENTION_KEEP_WITHIN_DAYS: days(2, 0),
    RETENTION_KEEP_DAILY: slots(14),
    RETENTION_KEEP_WEEKLY: slots(8),
    RETENTION_KEEP_MONTHLY: slots(12),
    RETENTION_ASIDE_DAYS: days(14),
    RETENTION_RUNS_DAYS: days(30),
  })
  .superRefine((value, context) => {
    const { RETENTION_KEEP_LAST: last, RETENTION_KEEP_WITHIN_DAYS: within } = value;
    const { RETENTION_KEEP_DAILY: daily, RETENTION_KEEP_WEEKLY: weekly, RETENTION_KEEP_MONTHLY: monthly } = value;
    if (last + within + daily + weekly + monthly > 0) return;
    const message = 'and all other RETENTION_KEEP_ variables are 0: no snapshot would be kept';
    context.addIssue({ code: 'custom', path: ['RETENTION_KEEP_LAST'], message });
  });

const SHAPE: Readonly<Record<string, z.ZodType>> = STORE_SHAPE;

/** The second store. All its variables are separate, so that it does not depend on the first store's region. */
export const replicaSection = z
  .object({
    BACKUP_STORE: z.string().optional(),
    S3_ENDPOINT: z.string().optional(),
    BACKUP_REPLICA_STORE: storeUrl,
    ...Object.fromEntries(STORE_NAMES.map((name) => [`REPLICA_${name}`, SHAPE[name] ?? z.undefined()])),
  })
  .superRefine((value: Readonly<Record<string, unknown>>, context) => {
    const addIssue = (name: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [name], message });
    const sameEndpoint =
      withoutTrailingSlash(value['S3_ENDPOINT']) === withoutTrailingSlash(value['REPLICA_S3_ENDPOINT']);
    if (
      sameEndpoint &&
      withoutTrailingSlash(value['BACKUP_STORE']) === withoutTrailingSlash(value['BACKUP_REPLICA_STORE'])
    ) {
      addIssue('BACKUP_REPLICA_STORE', 'is the same place as BACKUP_STORE');
    }
    for (const [name, message] of findStoreProblems(String(value['BACKUP_REPLICA_STORE']), value, 'REPLICA_')) {
      addIssue(name, message);
    }
  });

function withoutTrailingSlash(text: unknown): string | null {
  return typeof text === 'string' ? text.replace(/\/+$/, '') : null;
}
