import { createHash } from 'node:crypto';

/** Counts since the start. */
export interface GeminiCounts {
  /** Authorised, well-formed calls, including those that failed later. */
  calls(): number;
  /** Embedded texts, including lost answers and repetitions. */
  textsEmbedded(): number;
  /** Distinct embedded texts. */
  distinctTexts(): number;
  /** How often this text was embedded. */
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
  // By digest: a load test has too much text to hold in memory.
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
