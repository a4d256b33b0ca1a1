import { z } from 'zod';
import type { Signer } from '../ports/crypto.js';
import { manifestSchema, sha256, tableSchema, type Manifest } from './manifest.js';

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
