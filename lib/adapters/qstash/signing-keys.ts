import { z } from 'zod';
import type { QueueHealth } from '../../ports/queue.js';

const answerSchema = z.object({ current: z.string(), next: z.string() });

/** The two keys that QStash may sign with: it signs with `current` until the keys are rotated, and then with `next`. */
export type SigningKeys = z.infer<typeof answerSchema>;

/** The keys in the body of an answer; null when it is something else. */
export function signingKeysIn(body: string): SigningKeys | null {
  try {
    return answerSchema.parse(JSON.parse(body));
  } catch {
    // Neither error is passed on: it could quote a key.
    return null;
  }
}

export function compareKeys(
  ours: { readonly currentSigningKey: string; readonly nextSigningKey: string },
  theirs: SigningKeys,
): QueueHealth['signingKeys'] {
  const { currentSigningKey, nextSigningKey } = ours;
  if (theirs.current === currentSigningKey && theirs.next === nextSigningKey) return 'same';
  return theirs.current === currentSigningKey || theirs.current === nextSigningKey ? 'stale' : 'different';
}
