import { createHash } from 'node:crypto';

/** What was asked and done so far. */
export interface GeminiCounts {
  /** Calls that were authorised and well-formed, those that failed afterwards included. */
  calls(): number;
  /** Texts for which a vector was made, whether the answer arrived or not; a text counts each time. */
  textsEmbedded(): number;
  /** Different texts among them. */
  distinctTexts(): number;
  /** How often a vector was made for this text. */
  timesEmbedded(text: string): number;
}

export interface CallCounter {
  readonly counts: GeminiCounts;
  /** Counts a call and returns its index, from 0. */
  call(): number;
  embedded(texts: readonly string[]): void;
}

export function callCounter(): CallCounter {
  let calls = 0;
  let total = 0;
  // By digest: a load test has more text than should be held here.
  const times = new Map<string, number>();
  const digest = (text: string): string => createHash('sha1').update(text).digest('base64');
  return {
    counts: {
      calls: () => calls,
      textsEmbedded: () => total,
      distinctTexts: () => times.size,
      timesEmbedded: (text) => times.get(digest(text)) ?? 0,
    },
    call: () => calls++,
    embedded(texts) {
      total += texts.length;
      for (const text of texts) {
        const key = digest(text);
        times.set(key, (times.get(key) ?? 0) + 1);
      }
    },
  };
}
