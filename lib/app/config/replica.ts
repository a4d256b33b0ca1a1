import { z } from 'zod';
import { STORE_NAMES, STORE_SHAPE, storeProblems, storeUrl } from '../../stores/registry.js';

const SHAPE: Readonly<Record<string, z.ZodType>> = STORE_SHAPE;

/** The second store. All its variables are separate: what fails with the first region must not be needed here. */
export const replicaSection = z
  .object({
    BACKUP_STORE: z.string().optional(),
    S3_ENDPOINT: z.string().optional(),
    BACKUP_REPLICA_STORE: storeUrl,
    ...Object.fromEntries(STORE_NAMES.map((name) => [`REPLICA_${name}`, SHAPE[name] ?? z.undefined()])),
  })
  .superRefine((value: Readonly<Record<string, unknown>>, context) => {
    const say = (name: string, message: string): void => context.addIssue({ code: 'custom', path: [name], message });
    const sameEndpoint = plain(value['S3_ENDPOINT']) === plain(value['REPLICA_S3_ENDPOINT']);
    if (sameEndpoint && plain(value['BACKUP_STORE']) === plain(value['BACKUP_REPLICA_STORE'])) {
      say('BACKUP_REPLICA_STORE', 'is the same place as BACKUP_STORE');
    }
    for (const [name, message] of storeProblems(String(value['BACKUP_REPLICA_STORE']), value, 'REPLICA_')) {
      say(name, message);
    }
  });

function plain(text: unknown): string | null {
  return typeof text === 'string' ? text.replace(/\/+$/, '') : null;
}
