import { bytes, count, duration } from '../formats.js';

// Everything that is said of a kind of run, whether it can be worked on here or not.

type Fields = Readonly<Record<string, unknown>>;

/** A name and what it is, in words. */
export type Figure = readonly [name: string, words: string];

/** What a run spent that is paid for by use. */
export interface RunCost {
  /** Of the database; null for a run that sends it none to speak of. */
  readonly commands: number | null;
  /** Of the embedder; null for a run that embeds nothing. */
  readonly tokens: number | null;
  /** US dollars, at most; null where the price is not known. */
  readonly estimatedUsd: number | null;
}

/**
 * What command line, page, API, metrics, alerts and guard need to know of a kind of run. Inputs and results are given as they are
 * in a record, which may be of another version: any of their fields may be missing.
 */
export interface RunTraits {
  readonly kind: string;
  /** What people call it: a noun without an article. */
  readonly title: string;
  /** The heading of many of them. */
  readonly plural: string;
  /** What a run does in each phase, in order: `reading the database`. Not every run takes every phase. */
  readonly words: Readonly<Record<string, string>>;
  /** Whether alerts are evaluated when one has ended: its result is something that they go by. Default false. */
  readonly evaluated?: boolean;
  /** Whether its progress counts bytes; else, the default, it counts tasks. */
  readonly countsBytes?: boolean;
  /** The alert that the last run of the kind opens where it ended in one of these states. Left out: none. */
  readonly alert?: {
    readonly code: string;
    readonly states: readonly ('failed' | 'incomplete')[];
    /** What a run writes into, by its input: a later run ends the alert only if it wrote into the same place. Left out: all are one. */
    readonly place?: (input: Fields) => string;
  };
  /** What one came to. */
  readonly figures: (result: Fields) => readonly Figure[];
  /** The end of one that succeeded, in a sentence. Null, or left out: `Done`. */
  readonly done?: (result: Fields) => string | null;
  /** What one spent; null where the result does not say it, as of one that is not over or that failed early. Left out: not known. */
  readonly cost?: (result: Fields) => RunCost | null;
  /** Whether that is what the work would cost, of which nothing was done. Default false. */
  readonly isEstimate?: (input: Fields) => boolean;
  /** Whether one writes, and into what: `LIVE`, `DRY RUN`, `into STAGING`. Null, or left out: that needs no words. */
  readonly aim?: (input: Fields) => string | null;
  /** What one leaves that is ended before its time. Null, or left out: nothing that matters. */
  readonly ifCancelled?: (input: Fields) => string | null;
}

/** The fields of what a record holds; none where it is no object. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** The figure of a value of a result; none where it is not there. */
export const figure = {
  text: (name: string, value: unknown): Figure[] => (typeof value === 'string' && value !== '' ? [[name, value]] : []),
  count: (name: string, value: unknown): Figure[] => (typeof value === 'number' ? [[name, count(value)]] : []),
  /** Nothing to say of 0. */
  some: (name: string, value: unknown): Figure[] => (value === 0 ? [] : figure.count(name, value)),
  bytes: (name: string, value: unknown): Figure[] => (typeof value === 'number' ? [[name, bytes(value)]] : []),
  time: (name: string, value: unknown): Figure[] => (typeof value === 'number' ? [[name, duration(value)]] : []),
};
