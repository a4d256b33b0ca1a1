import { z } from 'zod';
import { EXPIRY_RULES, MODES, scopeSchema } from '../restore/model.js';
import { isId } from '../runs/ids.js';
import { SNAPSHOT_WORDS } from '../snapshot/select.js';

const LATEST = 'latest';

/** Body of a restore. Errors quote the description of an invalid field. */
export const restoreBodySchema = z
  .strictObject({
    snapshot: z
      .string()
      .refine((text) => SNAPSHOT_WORDS.some((word) => word === text) || isId(text))
      .describe('"latest", "newest" or the id of a snapshot'),
    at: z.iso
      .datetime({ offset: true })
      .nullable()
      .default(null)
      .describe(`a time such as 2026-11-22T02:00:00Z, and goes with the snapshot "${LATEST}" only`),
    scope: scopeSchema.describe(
      '{"all": true}, {"project": id}, {"projects", "families", "matches", "keys": lists of texts} or {"items": [{"project": id, "id": id}]}',
    ),
    mode: z.enum(MODES).default('replace').describe(oneOf(MODES)),
    expiry: z.enum(EXPIRY_RULES).default('keep').describe(oneOf(EXPIRY_RULES)),
    dryRun: flag(false),
    target: z.string().min(1).max(64).nullable().default(null).describe('the name of a target database'),
    safety: flag(true),
    settle: z.boolean().nullable().default(null).describe('true or false'),
    confirm: z
      .string()
      .max(512)
      .nullable()
      .default(null)
      .describe('the id of the snapshot or of the project, or PROJECT/ID of the item'),
    allowIncomplete: flag(false),
    reindex: flag(true),
    fromSource: flag(false),
  })
  .refine(({ snapshot, at }) => at === null || snapshot === LATEST, { path: ['at'] });

/** Body of `POST /api/restore`. */
export type RestoreOrder = z.input<typeof restoreBodySchema>;

function flag(fallback: boolean) {
  return z.boolean().default(fallback).describe('true or false');
}

function oneOf(values: readonly string[]): string {
  return values.map((value) => JSON.stringify(value)).join(' or ');
}
