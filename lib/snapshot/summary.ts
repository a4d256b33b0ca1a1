import { z } from 'zod';
import type { Signer } from '../ports/crypto.js';
import { manifestSchema, sha256, tableSchema, type Doubt, type Manifest } from './manifest.js';

const counted = z.object({ count: z.number().int() });

/**
 * The fields of a manifest that lists, status and alerts use: all except the parts, the names of keys, and the counts by
 * family and project. A whole manifest is also a summary.
 */
export const summarySchema = manifestSchema
  .pick({
    id: true,
    state: true,
    purpose: true,
    createdAt: true,
    window: true,
    source: true,
    label: true,
    owner: true,
    imported: true,
    dbsize: true,
    names: true,
    recipients: true,
    readBackAt: true,
    previous: true,
    order: true,
    doubts: true,
    seal: true,
  })
  .extend({
    counts: z.object({ keys: z.number().int() }),
    ledger: z.object({
      failed: counted,
      unsupported: counted.extend({ types: tableSchema.optional(), keys: z.array(z.object({ reason: z.string() })) }),
    }),
  });
export type ManifestSummary = z.infer<typeof summarySchema>;

/** Whether a manifest matches its own hash, whether it is signed, and the result of `Signer.verify` for its signature. */
export const verdictSchema = z.object({
  fits: z.boolean(),
  isSigned: z.boolean(),
  signature: z.boolean().nullable(),
});
export type SignatureVerdict = z.infer<typeof verdictSchema>;

/** Checks the hash and the signature of a manifest; an earlier verdict is returned unchanged. */
export function verifySignature(
  { seal }: Pick<Manifest, 'seal'>,
  signed: Buffer | SignatureVerdict,
  signer: Signer,
): SignatureVerdict {
  if (!Buffer.isBuffer(signed)) return signed;
  return {
    fits: sha256(signed) === seal.sha256,
    isSigned: seal.signature !== null,
    signature: signer.verify(signed, seal.signature ?? ''),
  };
}

/** Reduces a manifest to its summary. */
export function summaryOf(manifest: Manifest): ManifestSummary {
  const { unsupported } = manifest.ledger;
  // Manifests of earlier versions name the types only in the reasons.
  const reasons = [...new Set(unsupported.keys.map(({ reason }) => reason))];
  const ledger = { ...manifest.ledger, unsupported: { ...unsupported, keys: reasons.map((reason) => ({ reason })) } };
  return summarySchema.parse({ ...manifest, ledger });
}

/** Reasons why a snapshot may not hold the whole database. For older manifests without `doubts` they are computed from DBSIZE. */
export function doubtsOf({
  dbsize,
  doubts,
  purpose,
}: Pick<Manifest, 'dbsize' | 'doubts' | 'purpose'>): readonly Doubt[] {
  if (doubts !== undefined || purpose === 'safety') return doubts ?? [];
  return emptiedDoubt(dbsize);
}

const HALF_RESTORED: ReadonlySet<string> = new Set(['restore-unfinished', 'restored-meanwhile']);

/** Whether a doubt means that the snapshot may mix data from before and from after a restore. */
export function isHalfRestoredDoubt({ code }: Doubt): boolean {
  return HALF_RESTORED.has(code);
}

/** The number of keys read first that are compared with the keys at the end. */
export const SAMPLE = 100;

/**
 * The doubt that the database lost more than half of its keys while it was read, or that others replaced them: `gone` of the
 * `SAMPLE` keys that were read first had disappeared.
 */
export function emptiedDoubt({ before, after }: Manifest['dbsize'], gone = 0): Doubt[] {
  const doubt = (detail: string): Doubt[] => [{ code: 'emptied', detail }];
  if (after * 2 < before) return doubt(`the database held ${before} keys before it was read and ${after} after it`);
  if (gone === 0) return [];
  return doubt(`${gone} of the first ${SAMPLE} keys that were read were gone at the end`);
}
