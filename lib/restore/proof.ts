import { z } from 'zod';
import type { Ports } from '../ports/index.js';
import { encryptName } from '../snapshot/ledger.js';
import { classifyKey } from '../soulcaster/keys.js';
import { ledgerKeySchema } from '../snapshot/manifest.js';

/**
 * The result of comparing a record: `equal`, the key equals the record; `expired`, the record has expired and the key
 * is absent; `kept`, the mode keeps what was there; `blocked`, the old value could not be saved and was left; `missing`
 * and `different` fail the proof.
 */
const VERDICTS = ['equal', 'expired', 'kept', 'blocked', 'missing', 'different'] as const;
export type Verdict = (typeof VERDICTS)[number];

const tallySchema = z.object({
  equal: z.number(),
  expired: z.number(),
  kept: z.number(),
  blocked: z.number().default(0),
  missing: z.number(),
  different: z.number(),
});

export const proofSchema = z.object({
  total: tallySchema,
  byFamily: z.record(z.string(), tallySchema),
  /** The first names of keys that fail the proof, and their first difference. */
  examples: z.array(z.object({ verdict: z.enum(VERDICTS), key: ledgerKeySchema, difference: z.string().nullable() })),
});
export type Proof = z.infer<typeof proofSchema>;
type ProofTally = Proof['total'];

const EXAMPLES = 20;

export function noProof(): Proof {
  return { total: none(), byFamily: {}, examples: [] };
}

/** Counts in place, since it is called for every key. */
export function countProof(proof: Proof, family: string, verdict: Verdict): void {
  proof.total[verdict] += 1;
  (proof.byFamily[family] ??= none())[verdict] += 1;
}

/** Adds one proof to another in place. */
export function addProof(to: Proof, from: Proof): void {
  for (const verdict of VERDICTS) to.total[verdict] += from.total[verdict];
  for (const [family, tally] of Object.entries(from.byFamily)) {
    const sum = (to.byFamily[family] ??= none());
    for (const verdict of VERDICTS) sum[verdict] += tally[verdict];
  }
  for (const example of from.examples) if (needsExample(to, example.verdict)) to.examples.push(example);
}

/** Counts a key, and names one that fails the proof, encrypted where names are encrypted. */
export async function countKey(
  { encryptor }: Pick<Ports, 'encryptor'>,
  proof: Proof,
  key: Buffer,
  verdict: Verdict,
  difference: string | null,
): Promise<void> {
  countProof(proof, classifyKey(key.toString('utf8')).family, verdict);
  if (!needsExample(proof, verdict)) return;
  proof.examples.push({ verdict, key: await encryptName(encryptor, key), difference });
}

function needsExample(proof: Proof, verdict: Verdict): boolean {
  const named = verdict === 'blocked' || verdict === 'missing' || verdict === 'different';
  return named && proof.examples.length < EXAMPLES;
}

/** Whether no record is missing or different. */
export function isProven(proof: Proof): boolean {
  return proof.total.missing === 0 && proof.total.different === 0;
}

function none(): ProofTally {
  return { equal: 0, expired: 0, kept: 0, blocked: 0, missing: 0, different: 0 };
}
