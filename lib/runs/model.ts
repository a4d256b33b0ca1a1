import { z } from 'zod';
import type { ErrorCode } from '../errors.js';
import type { Json } from '../json.js';
import type { RunTraits } from './traits.js';

export const RUN_STATES = ['running', 'waiting', 'succeeded', 'incomplete', 'failed'] as const;

/** How far a run is, for display: `done` of `total` (null: not known) in `unit`. */
export interface Progress {
  readonly done: number;
  readonly total: number | null;
  readonly unit: 'keys' | 'parts' | 'items';
  /** Plain bytes handled so far. */
  readonly bytes: number;
}

/** No real count comes near. A larger number was written by something else, and its successor might not be exact. */
export const MAX_FENCE = 2 ** 52;

/** Parsed JSON text is always `Json`. Validating it value by value would take most of the time of the check of a record. */
export const jsonSchema = z.custom<Json>((value) => value !== undefined);

/** `runs/{id}/run.json`: everything a later attempt, or an operator, needs to know about a run. */
export const runRecordSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  /** A run of an unknown kind, as of a newer version, is kept and shown, and left to a version that knows the kind. */
  kind: z.string(),
  /**
   * `waiting` until `resumeAt`, when the queue wakes the run. `incomplete` is a final state: the work was done, except for
   * a part that could not be done.
   */
  state: z.enum(RUN_STATES),
  resumeAt: z.string().nullable().default(null),
  /**
   * The source of the database that was protected where the run was started: a deployment with another one, which may
   * share the store, neither resumes nor ends it. Null: not known.
   */
  source: z.string().nullable().default(null),
  /** Name of the lease that the run holds while it is running. */
  lease: z.string(),
  phase: z.string(),
  /** How many tasks the current phase has; 0 when it has none. */
  tasks: z.number().int().nonnegative(),
  /** How many tasks each completed phase had, which is how many results there must be. */
  finished: z.record(z.string(), z.number().int().nonnegative()).default({}),
  /**
   * How many tasks of the phase were done when the others were last published; null when they have not been. As long as
   * the number grows, the queue is delivering them.
   */
  handedOut: z.number().int().nullable().default(null),
  /** Counts the attempts; a message that names an older attempt is out of date. */
  leg: z.number().int().nonnegative().max(MAX_FENCE),
  /** Attempts begun since the run last saved progress; too many end the run. */
  stalls: z.number().int().nonnegative().max(MAX_FENCE),
  /** Whether input, checkpoint, result and the error's message are encrypted with a key that is not set here. */
  hidden: z.boolean().optional(),
  /** Fencing number of the attempt that last wrote this record. */
  fence: z.number().int().nonnegative().max(MAX_FENCE),
  /** Fencing number of the claim that the run was started with; null in records of older versions. */
  firstFence: z.number().int().nonnegative().max(MAX_FENCE).nullable().default(null),
  /** Names the count that the fencing numbers are of; null in records of older versions. */
  series: z.string().nullable().default(null),
  input: jsonSchema,
  /** What the kind of run needs to continue. Null when the run is over, because it may hold names of keys. */
  checkpoint: jsonSchema,
  progress: z.object({
    done: z.number(),
    total: z.number().nullable(),
    unit: z.enum(['keys', 'parts', 'items']),
    bytes: z.number(),
  }),
  result: jsonSchema,
  error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
  /** Who or what started the run; null if not recorded. */
  trigger: z.string().nullable().default(null),
  /** What the run does in its phase, in words of its definition; empty in records of older versions. */
  doing: z.string().default(''),
  /** When each phase began, in order; only the last phases of a run with many. Empty in records of older versions. */
  phases: z.array(z.object({ phase: z.string(), at: z.string() })).default([]),
  /** How many attempts have begun. */
  attempts: z.number().int().nonnegative().max(MAX_FENCE).default(0),
  /** When the run last made progress. */
  progressedAt: z.string().nullable().default(null),
  /** The last error of an attempt, whether another attempt followed or not. */
  lastError: z.object({ code: z.string(), message: z.string(), at: z.string() }).nullable().default(null),
  /** When the queue begins another attempt at the latest; null if it begins none. */
  nextAttemptAt: z.string().nullable().default(null),
  createdAt: z.string(),
  updatedAt: z.string(),
  finishedAt: z.string().nullable(),
});

export type RunRecord = z.infer<typeof runRecordSchema>;
export type RunState = (typeof RUN_STATES)[number];

export function isOver(run: Pick<RunRecord, 'state'>): boolean {
  return run.state !== 'running' && run.state !== 'waiting';
}

/** What goes into `RunRecord.error`. */
export interface RunFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}

/** What happens after a step: continue in a later attempt, enter another phase, or end the run. */
export type StepOutcome =
  | { readonly to: 'later'; readonly checkpoint: Json; readonly progress: Progress }
  | {
      readonly to: 'phase';
      readonly phase: string;
      readonly tasks: number;
      readonly checkpoint: Json;
      readonly progress: Progress;
    }
  | {
      readonly to: 'end';
      readonly state: 'succeeded' | 'incomplete' | 'failed';
      readonly result: Json;
      readonly error: RunFailure | null;
    };

/** What a step can read and do during an attempt. */
export interface Attempt {
  readonly run: RunRecord;
  /** Grows with every attempt. Part of the names of objects that an attempt writes, so that two attempts never write the same one. */
  readonly fence: number;
  /** Aborted when the lease is lost or the process must stop: nothing may be written any more. */
  readonly signal: AbortSignal;
  /**
   * To call before a write outside of the store: throws `fenced` when the run was ended or its lease was taken over. Reads
   * the store at most once a second, and not at all while record writes or renewals confirm the lease.
   */
  confirm(): Promise<void>;
  /** Whether it is time to save and hand over. */
  timeIsUp(): boolean;
  /** Saves a checkpoint. Throws `fenced` when another attempt has taken over. */
  save(checkpoint: Json, progress: Progress): Promise<void>;
  /** Saves progress for display only, at most once in two seconds. */
  report(progress: () => Progress): void;
  /** Results of the tasks of a phase, by ascending task number. Throws `damaged` if the phase is over and one is missing. */
  results(phase: string): AsyncIterable<{ readonly task: number; readonly result: Json }>;
}

/** A phase that one attempt at a time works on, step by step. */
export interface SerialPhase {
  readonly type: 'serial';
  step(attempt: Attempt): Promise<StepOutcome>;
}

/**
 * Limits work that the tasks of one worker may not do at the same time, such as calling a service whose load is counted by
 * workers: one at a time over a queue, `inline` at a time within a process.
 */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>;

/** For work without concurrent tasks. */
export const runDirectly: Turn = (work) => work();

/** At most this many deliveries in a period, shared by all runs with the same key. */
export interface Rate {
  readonly key: string;
  readonly count: number;
  readonly periodSeconds: number;
}

/**
 * A phase of independent tasks 0 .. n-1. A task may run twice, concurrently or late; the result of the first to finish
 * counts. When all are done, the run continues with phase `next`.
 */
export interface TaskPhase {
  readonly type: 'tasks';
  readonly next: string;
  /** How many tasks an attempt does at a time itself before it publishes the rest; 0 publishes all. */
  readonly inline: number;
  /** How many messages of tasks the queue may deliver at a time. */
  readonly parallelism: number;
  /** How many tasks one message may deliver at most; default 1. */
  readonly group?: number;
  /** How many tasks are begun per `Turn` slot, so that others read and write in the meantime; default 1. */
  readonly ahead?: number;
  /** A limit shared with other runs, such as the rate limit of a service. */
  readonly rate?: (run: RunRecord) => Rate | undefined;
  /** `turn`: see `Turn`; `confirm`: see `Attempt`. */
  task(run: RunRecord, task: number, signal: AbortSignal, turn: Turn, confirm: () => Promise<void>): Promise<Json>;
  progress(run: RunRecord, done: number): Progress;
}

/** How one kind of long-running work is done, with the names of its phases for display. */
export interface RunDefinition extends Pick<RunTraits, 'kind' | 'words'> {
  /** Runs that name the same lease exclude each other. */
  readonly lease: string;
  /** Whether a run of this kind may hold this lease instead, such as the lease of another database. */
  readonly takesLease?: (lease: string) => boolean;
  /** Whether the guard may resume a stuck run; default true. */
  readonly mayResume?: (run: RunRecord, now: number) => boolean;
  /**
   * Releases what a run holds outside of the store, such as locks in a database, when the run does not end in success by
   * its own last step. Receives the record as it was before the end.
   */
  readonly releaseResources?: (run: RunRecord) => Promise<void>;
  /**
   * Describes what a run leaves behind that does not end by its own last step, with the commands to finish and to undo it, for
   * the hint of its error; null if it leaves nothing that matters. Receives the record as it was before the end.
   */
  readonly describeRemains?: (run: RunRecord) => Promise<string | null>;
  readonly firstPhase: string;
  readonly phases: Readonly<Record<string, SerialPhase | TaskPhase>>;
}

/** What a run does in its phase; the phase's name for a record of an older version. */
export function doingOf({ doing, phase }: Pick<RunRecord, 'doing' | 'phase'>): string {
  return doing === '' ? phase : doing;
}
