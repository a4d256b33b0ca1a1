import { z } from 'zod';
import type { Signer } from '../ports/signer.js';
import { manifestSchema, sha256, tableSchema, type Manifest } from './manifest.js';

const counted = z.object({ count: z.number().int() });

/**
 * What lists, status and alerts go by of a manifest: all of it but its parts, the names of keys, and the counts by family
 * and project. A whole manifest is one too.
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

/** What came of checking a seal: whether its hash fits the contents, and what `Signer.verify` says of its signature. */
export const verdictSchema = z.object({
  fits: z.boolean(),
  isSigned: z.boolean(),
  signature: z.boolean().nullable(),
});
export type SignatureVerdict = z.infer<typeof verdictSchema>;

/** Checks the seal of a manifest; what was checked before stays as it is. */
export function verdictOn(
  { seal }: Pick<Manifest, 'seal'>,
  sealed: Buffer | SignatureVerdict,
  signer: Signer,
): SignatureVerdict {
  if (!Buffer.isBuffer(sealed)) return sealed;
  return {
    fits: sha256(sealed) === seal.sha256,
    isSigned: seal.signature !== null,
    signature: signer.verify(sealed, seal.signature ?? ''),
  };
}

/** Without what only the manifest itself is read for. */
export function summaryOf(manifest: Manifest): ManifestSummary {
  const { unsupported } = manifest.ledger;
  // In manifests of earlier versions the reasons alone name the types.
  const reasons = [...new Set(unsupported.keys.map(({ reason }) => reason))];
  const ledger = { ...manifest.ledger, unsupported: { ...unsupported, keys: reasons.map((reason) => ({ reason })) } };
  return summarySchema.parse({ ...manifest, ledger });
}
