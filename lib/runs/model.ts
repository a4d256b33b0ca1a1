import { z } from 'zod';
import type { ErrorCode } from '../errors.js';
import type { Json } from '../json.js';
import type { RunTraits } from './traits.js';

export const RUN_STATES = ['running', 'waiting', 'succeeded', 'incomplete', 'failed'] as const;

/** How far a run has come, for people: `done` of `total` (null: not known) in `unit`. */
export interface Progress {
  readonly done: number;
  readonly total: number | null;
  readonly unit: 'keys' | 'parts' | 'items';
  /** Plain bytes handled so far. */
  readonly bytes: number;
}

/** No count of ours comes near: one that is larger was not written by us, and the next one after it would be no exact number. */
export const MOST_FENCE = 2 ** 52;

/** What was parsed from JSON text can be nothing else: to go through it again, value by value, is most of what the check of a record takes. */
export const jsonSchema = z.custom<Json>((value) => value !== undefined);

/** `runs/{id}/run.json`: everything a later attempt, or a person, needs to know of a run. */
export const runRecordSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  /** One that is not known here, as of a newer version, is kept and shown, and left to who knows it. */
  kind: z.string(),
  /**
   * `waiting` until `resumeAt`, when the queue wakes it. `incomplete` is an end too: the work was done, but something
   * could not be done.
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
  /** How many tasks the present phase has; 0 when it has none. */
  tasks: z.number().int().nonnegative(),
  /** How many tasks each phase had that is over: this many results there must be. */
  finished: z.record(z.string(), z.number().int().nonnegative()).default({}),
  /**
   * How many tasks of the phase were done when the others were last given to the queue; null when they have not been.
   * As long as the number grows, the queue is at it.
   */
  handedOut: z.number().int().nullable().default(null),
  /** Counts the attempts; a message that names an older attempt is out of date. */
  leg: z.number().int().nonnegative().max(MOST_FENCE),
  /** Attempts begun since the run last saved progress: what keeps dying must come to an end. */
  stalls: z.number().int().nonnegative().max(MOST_FENCE),
  /** Whether input, checkpoint, result and the words of the error are encrypted with a key that is not set here. */
  hidden: z.boolean().optional(),
  /** Fencing number of the attempt that wrote this record last. */
  fence: z.number().int().nonnegative().max(MOST_FENCE),
  /** Fencing number of the claim that the run was started with; null in records of older versions. */
  firstFence: z.number().int().nonnegative().max(MOST_FENCE).nullable().default(null),
  input: jsonSchema,
  /** The checkpoint: what the kind of run needs to go on. Null when it is over: it may hold names of keys. */
  checkpoint: jsonSchema,
  progress: z.object({
    done: z.number(),
    total: z.number().nullable(),
    unit: z.enum(['keys', 'parts', 'items']),
    bytes: z.number(),
  }),
  result: jsonSchema,
  error: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
  /** Who or what asked for it; null where that was not written down. */
  trigger: z.string().nullable().default(null),
  /** What it does in its phase, in words of its definition; empty in records of older versions. */
  doing: z.string().default(''),
  /** When each phase began, in order; of a run with a great many, the last. Empty in records of older versions. */
  phases: z.array(z.object({ phase: z.string(), at: z.string() })).default([]),
  /** How many attempts began to work on it. */
  attempts: z.number().int().nonnegative().max(MOST_FENCE).default(0),
  /** When it last got further. */
  progressedAt: z.string().nullable().default(null),
  /** What came in the way of an attempt last, whether another one followed or not. */
  lastError: z.object({ code: z.string(), message: z.string(), at: z.string() }).nullable().default(null),
  /** When the queue begins another attempt at the latest, if the present one does not get on; null: never by itself. */
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

/** What a step decided: continue in a later attempt, enter another phase, or end the run. */
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

/** What a step or a task may know and do while it works. */
export interface Attempt {
  readonly run: RunRecord;
  /** Grows with every attempt; goes into the names of what an attempt writes, so that two attempts never write the same object. */
  readonly fence: number;
  /** Aborted when the lease is lost or the process is told to stop: nothing may be written any more. */
  readonly signal: AbortSignal;
  /**
   * To call before a write outside of the store: throws `fenced` when the run was ended or its lease is another's. Reads
   * the store at most once a second, and not at all while writes of the record or renewals say the same.
   */
  confirm(): Promise<void>;
  /** Whether it is time to save and hand over. */
  timeIsUp(): boolean;
  /** Saves a checkpoint. Throws `fenced` when another attempt has taken over. */
  save(checkpoint: Json, progress: Progress): Promise<void>;
  /** Tells people how far the work is, at most once in two seconds; nothing depends on it. */
  report(progress: () => Progress): void;
  /** Results of the tasks of a phase, by ascending task number: all once it is over, else it throws `damaged`. */
  results(phase: string): AsyncIterable<{ readonly task: number; readonly result: Json }>;
}

/** A phase worked off in order, by one attempt at a time. */
export interface SerialPhase {
  readonly type: 'serial';
  step(attempt: Attempt): Promise<StepOutcome>;
}

/**
 * Does what tasks of one worker may not do at the same time, such as calling a service whose load is counted by workers:
 * one after the other over a queue, `inline` at a time within a process.
 */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>;

/** For work that has nobody beside it. */
export const alone: Turn = (work) => work();

/** This many deliveries in a period, of all runs that name the same key. */
export interface Rate {
  readonly key: string;
  readonly count: number;
  readonly periodSeconds: number;
}

/**
 * A phase of independent tasks 0 .. n-1. A task may run twice, at the same time or late; its result is what the first
 * to finish wrote down. When all are done, the run continues with phase `next`.
 */
export interface TaskPhase {
  readonly type: 'tasks';
  readonly next: string;
  /** How many tasks one attempt works on at a time before the rest goes over the queue; 0 sends all over the queue. */
  readonly inline: number;
  /** How many messages of tasks the queue may deliver at a time. */
  readonly parallelism: number;
  /** How many tasks one message may bring, where there are many; default 1. */
  readonly group?: number;
  /** How many tasks are begun for each one that may have the turn, so that others read and write meanwhile; default 1. */
  readonly ahead?: number;
  /** A limit that is shared with other runs, such as a service's rate: deliveries per period under one key. */
  readonly rate?: (run: RunRecord) => Rate | undefined;
  /** `turn`: see `Turn`; `confirm`: see `Attempt`. */
  task(run: RunRecord, task: number, signal: AbortSignal, turn: Turn, confirm: () => Promise<void>): Promise<Json>;
  progress(run: RunRecord, done: number): Progress;
}

/** One kind of work that outlives a function: how it is done, with what is said of it. */
export interface RunDefinition extends Pick<RunTraits, 'kind' | 'words'> {
  /** Runs that name the same lease exclude each other. */
  readonly lease: string;
  /** Whether a run of this kind may hold another lease than that, such as that of another database. */
  readonly takesLease?: (lease: string) => boolean;
  /** Whether the guard may resume a run that stands still; default true. */
  readonly mayResume?: (run: RunRecord, now: number) => boolean;
  /**
   * Gives back what a run holds outside of the store, such as locks in a database, when it ends in any other way than
   * by its own last step. Is given the record as it was before its end.
   */
  readonly letGo?: (run: RunRecord) => Promise<void>;
  /**
   * What a run that ends in any other way than by its own last step leaves behind, and the commands that go on from there, for the hint
   * of its error; null where it leaves nothing that counts. Is given the record as it was before its end.
   */
  readonly leaves?: (run: RunRecord) => Promise<string | null>;
  readonly firstPhase: string;
  readonly phases: Readonly<Record<string, SerialPhase | TaskPhase>>;
}

/** What a run does in its phase; in a record of an older version the phase's name says it. */
export function doingOf({ doing, phase }: Pick<RunRecord, 'doing' | 'phase'>): string {
  return doing === '' ? phase : doing;
}
