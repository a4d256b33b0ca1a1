import { bytes, count, duration } from '../formats.js';

export type Fields = Readonly<Record<string, unknown>>;

/** The name of a figure and its value, formatted. */
export type Figure = readonly [name: string, words: string];

/** The usage-billed cost of a run. */
export interface RunCost {
  /** Commands sent to the database; null for a run that sends hardly any. */
  readonly commands: number | null;
  /** Tokens sent to the embedder; null for a run that embeds nothing. */
  readonly tokens: number | null;
  /** Upper bound in US dollars; null if the price is not known. */
  readonly estimatedUsd: number | null;
}

/**
 * What command line, page, API, metrics, alerts and guard need to know about a kind of run, whether it can run here or not.
 * Inputs and results come from a record, which may be of another version: any of their fields may be missing.
 */
export interface RunTraits {
  readonly kind: string;
  /** Name for display: a noun without an article. */
  readonly title: string;
  /** Heading for a list of them. */
  readonly plural: string;
  /** What a run does in each phase, in order: `reading the database`. Not every run takes every phase. */
  readonly words: Readonly<Record<string, string>>;
  /** Whether alerts are evaluated when a run has ended, because they depend on its result. Default false. */
  readonly evaluated?: boolean;
  /** Whether its progress counts bytes. Default false: progress counts tasks. */
  readonly countsBytes?: boolean;
  /** The alert of a run that ended in one of these states, until a later run makes it good. Default: none. */
  readonly alert?: {
    readonly code: string;
    readonly states: readonly ('failed' | 'incomplete')[];
    /**
     * Whether a later run with this input makes good what a failed one left: it wrote into the same place, and at least as much.
     * `phase`: the phase in which the run failed. Default: always.
     */
    readonly makesGood?: (later: Fields, failed: { readonly input: Fields; readonly phase: string }) => boolean;
    /** Whether the alert also opens for a run that an operator stopped, because of what the run left. Default: never. */
    readonly evenStopped?: (stopped: { readonly input: Fields; readonly phase: string }) => boolean;
  };
  /** The result of a run, as figures. */
  readonly figures: (result: Fields) => readonly Figure[];
  /** The outcome of a successful run, in a sentence. Default, and for null: `Done`. */
  readonly done?: (result: Fields) => string | null;
  /** The cost of a run; null if the result does not hold it, as when the run is not over or failed early. Default: not known. */
  readonly cost?: (result: Fields) => RunCost | null;
  /** Whether `cost` is an estimate for work that was not done. Default false. */
  readonly isEstimate?: (input: Fields) => boolean;
  /** Whether a run writes, and into what: `LIVE`, `DRY RUN`, `into STAGING`. Default: null, nothing to show. */
  readonly aim?: (input: Fields) => string | null;
  /** What a cancelled run leaves behind. Default: null, nothing that matters. */
  readonly ifCancelled?: (input: Fields) => string | null;
}

/** The fields of a value in a record; empty if the value is no object. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** Formats one value of a result; an empty list if the value is missing. */
export const figure = {
  text: (name: string, value: unknown): Figure[] => (typeof value === 'string' && value !== '' ? [[name, value]] : []),
  count: (name: string, value: unknown): Figure[] => (typeof value === 'number' ? [[name, count(value)]] : []),
  /** Left out when 0. */
  some: (name: string, value: unknown): Figure[] => (value === 0 ? [] : figure.count(name, value)),
  bytes: (name: string, value: unknown): Figure[] => (typeof value === 'number' ? [[name, bytes(value)]] : []),
  time: (name: string, value: unknown): Figure[] => (typeof value === 'number' ? [[name, duration(value)]] : []),
};

/** The lists that narrow a scope; an empty or missing one does not narrow it. */
const KINDS = ['projects', 'items', 'families', 'matches', 'keys'] as const;

/**
 * Whether a run with the first scope did at least the work of one with the second, for scopes as records hold them: `all`,
 * `project`, or lists. Scopes that cannot be read here, because they are encrypted, count as equal.
 */
export function coversScope(first: unknown, second: unknown): boolean {
  const [held, wanted] = [listsOf(first), listsOf(second)];
  return KINDS.every((kind) => {
    const entries = new Set(held[kind]);
    return entries.size === 0 || (wanted[kind].length > 0 && wanted[kind].every((entry) => entries.has(entry)));
  });
}

function listsOf(scope: unknown): Readonly<Record<(typeof KINDS)[number], readonly string[]>> {
  const fields = fieldsOf(scope);
  const entriesOf = (kind: string): readonly unknown[] => (Array.isArray(fields[kind]) ? fields[kind] : []);
  const textsIn = (list: readonly unknown[]): string[] => list.map((entry) => JSON.stringify(entry));
  const items = entriesOf('items').map(fieldsOf);
  const project = 'project' in fields ? [fields['project']] : [];
  return {
    projects: textsIn([...project, ...entriesOf('projects'), ...items.map((item) => item['project'])]),
    items: textsIn(items.map((item) => [item['project'], item['id']])),
    families: textsIn(entriesOf('families')),
    matches: textsIn(entriesOf('matches')),
    keys: textsIn(entriesOf('keys')),
  };
}
