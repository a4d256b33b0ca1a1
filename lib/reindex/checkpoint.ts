import { z } from 'zod';
import type { Json } from '../json.js';
import { NEW_WALK, walkStateSchema } from '../redis/whole-walk.js';
import type { RunRecord, StepOutcome } from '../runs/model.js';
import {
  conflictSchema,
  isRefusal,
  MOST_NAMED,
  NOTHING_SPENT,
  reindexInputSchema,
  SKIP_REASONS,
  type Conflict,
  type ItemRef,
  type ReindexInput,
  type Skipped,
} from './model.js';

const proofSchema = z.object({
  /** Items in Redis that can have a vector. */
  items: z.number(),
  /** Vectors in the namespace. */
  vectors: z.number(),
  /** Items that lack a vector, and vectors that lack an item. */
  missing: z.number(),
  strays: z.number(),
  /** Vectors of items that could not be embedded this time, left as they were. */
  left: z.number(),
  /** Vectors that searched for themselves, and those of them that were found. */
  sampled: z.number(),
  sampleFound: z.number(),
  /** Writes that were not indexed yet when the waiting ended. */
  pending: z.number(),
});

const comparisonSchema = z.object({
  project: z.string(),
  queries: z.number(),
  /** Of the ten nearest to each, on average, the share that old and new have in common: 0 to 1. */
  overlap: z.number(),
});
export type Comparison = z.infer<typeof comparisonSchema>;

const projectSchema = z.object({
  project: z.string(),
  items: z.number(),
  /** Items of the plan that are to be embedded, in `batches` batches from number `first` on. */
  planned: z.number(),
  first: z.number(),
  batches: z.number(),
  /** The same for what came up during the run. */
  late: z.number(),
  lateFirst: z.number(),
  lateBatches: z.number(),
  lateDone: z.boolean(),
  unchanged: z.number(),
  /** Keys where an item should be that cannot be one, by the latest look. */
  odd: z.number(),
  conflicts: z.number(),
  /** Vectors without an item, at the plan; told by a dry run. */
  strays: z.number(),
  present: z.number(),
  swept: z.number(),
  /** Items that the proof found without a vector and embedded. */
  topUp: z.number(),
  proof: proofSchema.nullable(),
  /** Why the index refuses the project's namespace; null when it does not. Nothing more is tried with it then. */
  refused: z.string().nullable().default(null),
  /** Whether the vectors that were there before are of the model that embeds now: by its record, or by a sample. */
  before: z.enum(['none', 'recorded', 'same', 'other', 'unknown']).default('unknown'),
});
export type ProjectState = z.infer<typeof projectSchema>;

/** A number of a batch and the fencing number in its name, which holds until the next entry. */
const rangesSchema = z.array(z.tuple([z.number(), z.number()]));
export type Ranges = z.infer<typeof rangesSchema>;

const skippedSchema = z.object({ project: z.string(), id: z.string(), reason: z.enum(SKIP_REASONS) });

/** What later attempts and tasks of a re-index need. Bounded by the number of projects and attempts, not of items. */
const checkpointSchema = z.object({
  startedAt: z.number(),
  /** Where SCAN, or a walk through a namespace, continues; null at its beginning. */
  cursor: z.string().nullable(),
  /** Keys that SCAN has seen. */
  seen: z.number(),
  /** How it is known that SCAN named all keys. */
  walk: walkStateSchema.default(NEW_WALK),
  /** Objects that hold what SCAN found. */
  chunks: z.array(z.string()),
  projects: z.array(projectSchema),
  batches: z.number(),
  ranges: rangesSchema,
  lateBatches: z.number(),
  lateRanges: rangesSchema,
  /** Batches whose clusters were not the same at the second look, and the fencing number in the new object's name. */
  recast: z.array(z.tuple([z.number(), z.number()])),
  /** Projects whose namespace was cleared. */
  flushed: z.array(z.string()),
  conflicts: z.array(conflictSchema),
  /** The first keys where an item should be that cannot be one. */
  odd: z.array(skippedSchema),
  spent: z.object({ calls: z.number(), texts: z.number(), characters: z.number() }),
  /** Since when the index shows no more of what was written, in milliseconds since the epoch; null when it does. */
  pendingSince: z.number().nullable().default(null),
  /** By project: sample queries to the old and the new vectors, and how many of the nearest both name. */
  compared: z.array(comparisonSchema).default([]),
  /** Locks that somebody else held when they were taken. */
  locksTaken: z.number(),
  /** When each phase was entered, in milliseconds since the epoch. */
  times: z.array(z.tuple([z.string(), z.number()])),
});
export type ReindexCheckpoint = z.infer<typeof checkpointSchema>;

export function stateOf(run: Pick<RunRecord, 'checkpoint'>): ReindexCheckpoint {
  return checkpointSchema.parse(run.checkpoint);
}

export function inputOf(run: Pick<RunRecord, 'input'>): ReindexInput {
  return reindexInputSchema.parse(run.input);
}

export function firstCheckpoint(now: number): ReindexCheckpoint & Json {
  return {
    startedAt: now,
    cursor: null,
    seen: 0,
    walk: NEW_WALK,
    chunks: [],
    projects: [],
    batches: 0,
    ranges: [],
    lateBatches: 0,
    lateRanges: [],
    recast: [],
    flushed: [],
    conflicts: [],
    odd: [],
    spent: NOTHING_SPENT,
    pendingSince: null,
    compared: [],
    locksTaken: 0,
    times: [],
  };
}

export function newProject(project: string, changes: Partial<ProjectState> = {}): ProjectState {
  return {
    project,
    items: 0,
    planned: 0,
    first: 0,
    batches: 0,
    late: 0,
    lateFirst: 0,
    lateBatches: 0,
    lateDone: false,
    unchanged: 0,
    odd: 0,
    conflicts: 0,
    strays: 0,
    present: 0,
    swept: 0,
    topUp: 0,
    proof: null,
    refused: null,
    before: 'unknown',
    ...changes,
  };
}

/** The same with one project's entry in the place of the one before, or added. */
export function withProject(state: ReindexCheckpoint, entry: ProjectState): ReindexCheckpoint {
  const at = state.projects.findIndex(({ project }) => project === entry.project);
  const projects = at < 0 ? [...state.projects, entry] : state.projects.with(at, entry);
  return { ...state, projects };
}

/** Continues with another phase, noting when. `tasks` is 0 for a serial one. */
export function enter(phase: string, state: ReindexCheckpoint, tasks: number, now: number): StepOutcome {
  const checkpoint = {
    ...state,
    cursor: null,
    seen: 0,
    walk: NEW_WALK,
    times: [...state.times, [phase, now] as [string, number]],
  };
  return {
    to: 'phase',
    phase,
    tasks,
    checkpoint,
    progress: { done: 0, total: tasks || null, unit: 'parts', bytes: 0 },
  };
}

/** Hands a serial phase that is not at its end on to the next attempt. */
export function later(state: ReindexCheckpoint, done: number): StepOutcome {
  return { to: 'later', checkpoint: state, progress: { done, total: null, unit: 'items', bytes: 0 } };
}

/** What is to be done with one project. */
export interface ProjectPlan {
  readonly entry: ProjectState;
  /** Every item that is to be embedded. */
  readonly items: readonly ItemRef[];
  readonly conflicts: readonly Conflict[];
  readonly odd: readonly Skipped[];
}

/** A checkpoint that names what is odd about a project, as far as there is room. */
export function withFindings(state: ReindexCheckpoint, { conflicts, odd }: ProjectPlan): ReindexCheckpoint {
  return {
    ...state,
    conflicts: [...state.conflicts, ...conflicts].slice(0, MOST_NAMED),
    odd: mostTelling([...state.odd, ...odd]),
  };
}

/** Those that there is room to name: first what a service refused, for which the run ends as incomplete. */
export function mostTelling(odd: readonly Skipped[]): Skipped[] {
  const refused = odd.filter(({ reason }) => isRefusal(reason));
  return [...refused, ...odd.filter(({ reason }) => !isRefusal(reason))].slice(0, MOST_NAMED);
}
