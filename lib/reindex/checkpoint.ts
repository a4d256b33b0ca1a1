import { z } from 'zod';
import type { Json } from '../json.js';
import { NEW_WALK, walkStateSchema } from '../redis/scan.js';
import type { RunRecord, StepOutcome } from '../runs/model.js';
import {
  conflictSchema,
  isRefusal,
  MOST_NAMED,
  NOTHING_SPENT,
  reindexInputSchema,
  SKIP_REASONS,
  spentSchema,
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
  /** Items without a vector (`missing`), and vectors without an item (`strays`). */
  missing: z.number(),
  strays: z.number(),
  /** Vectors left unchanged because their items could not be embedded this time. */
  left: z.number(),
  /** Vectors that were searched for with themselves, and how many were found. */
  sampled: z.number(),
  sampleFound: z.number(),
  /** Writes that were not indexed yet at the end of the wait. */
  pending: z.number(),
});

const comparisonSchema = z.object({
  project: z.string(),
  queries: z.number(),
  /** Average share of the ten nearest neighbours that old and new vectors have in common: 0 to 1. */
  overlap: z.number(),
});
export type Comparison = z.infer<typeof comparisonSchema>;

const projectSchema = z.object({
  project: z.string(),
  items: z.number(),
  /** Items that the plan embeds, in `batches` batches from number `first` on. */
  planned: z.number(),
  first: z.number(),
  batches: z.number(),
  /** The same for items created during the run. */
  late: z.number(),
  lateFirst: z.number(),
  lateBatches: z.number(),
  lateDone: z.boolean(),
  unchanged: z.number(),
  /** Item keys whose value cannot be an item, by the latest check. */
  odd: z.number(),
  conflicts: z.number(),
  /** Vectors without an item when the plan was made; reported by a dry run. */
  strays: z.number(),
  present: z.number(),
  swept: z.number(),
  /** Items that the proof found without a vector and embedded. */
  topUp: z.number(),
  proof: proofSchema.nullable(),
  /** Why the index refuses the project's namespace; then the project is skipped. Null if it does not. */
  refused: z.string().nullable().default(null),
  /** Whether the earlier vectors are of the current model, by the record or by a sample. */
  before: z.enum(['none', 'recorded', 'same', 'other', 'unknown']).default('unknown'),
});
export type ProjectState = z.infer<typeof projectSchema>;

/** Pairs of a batch number and the fencing number in the object names from that number to the next entry. */
const rangesSchema = z.array(z.tuple([z.number(), z.number()]));
export type Ranges = z.infer<typeof rangesSchema>;

const skippedSchema = z.object({ project: z.string(), id: z.string(), reason: z.enum(SKIP_REASONS) });

/** What later attempts and tasks of a re-index need. Its size grows with projects and attempts, not with items. */
const checkpointSchema = z.object({
  startedAt: z.number(),
  /** Where SCAN, or a walk through a namespace, continues; null at the start. */
  cursor: z.string().nullable(),
  /** Keys that SCAN has returned. */
  seen: z.number(),
  /** The evidence that SCAN returned all keys. */
  walk: walkStateSchema.default(NEW_WALK),
  /** Objects that hold the findings of SCAN. */
  chunks: z.array(z.string()),
  projects: z.array(projectSchema),
  batches: z.number(),
  ranges: rangesSchema,
  lateBatches: z.number(),
  lateRanges: rangesSchema,
  /** Batches whose clusters had changed at the second check, with the fencing number in the new object's name. */
  recast: z.array(z.tuple([z.number(), z.number()])),
  /** Projects whose namespace was cleared. */
  flushed: z.array(z.string()),
  conflicts: z.array(conflictSchema),
  /** The first item keys whose value cannot be an item. */
  odd: z.array(skippedSchema),
  spent: spentSchema,
  /** Since when the number of pending writes has not fallen, in milliseconds since the epoch; null if it falls. */
  pendingSince: z.number().nullable().default(null),
  /** By project: sample queries to the old and the new vectors, and the overlap of their results. */
  compared: z.array(comparisonSchema).default([]),
  /** Locks that were taken although another process held them. */
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

/** The state with one project's entry replaced or added. */
export function withProject(state: ReindexCheckpoint, entry: ProjectState): ReindexCheckpoint {
  const at = state.projects.findIndex(({ project }) => project === entry.project);
  const projects = at < 0 ? [...state.projects, entry] : state.projects.with(at, entry);
  return { ...state, projects };
}

/** Enters another phase and records when. `tasks` is 0 for a serial phase. */
export function enterPhase(phase: string, state: ReindexCheckpoint, tasks: number, now: number): StepOutcome {
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

/** Hands an unfinished serial phase over to the next attempt. */
export function continueLater(state: ReindexCheckpoint, done: number): StepOutcome {
  return { to: 'later', checkpoint: state, progress: { done, total: null, unit: 'items', bytes: 0 } };
}

/** The plan for one project. */
export interface ProjectPlan {
  readonly entry: ProjectState;
  /** Items to embed. */
  readonly items: readonly ItemRef[];
  readonly conflicts: readonly Conflict[];
  readonly odd: readonly Skipped[];
}

/** The state with the conflicts and odd keys of a project added, up to `MOST_NAMED` of each. */
export function withFindings(state: ReindexCheckpoint, { conflicts, odd }: ProjectPlan): ReindexCheckpoint {
  return {
    ...state,
    conflicts: [...state.conflicts, ...conflicts].slice(0, MOST_NAMED),
    odd: refusedFirst([...state.odd, ...odd]),
  };
}

/** At most `MOST_NAMED`; first those that a service refused, because they make the run end as incomplete. */
export function refusedFirst(odd: readonly Skipped[]): Skipped[] {
  const refused = odd.filter(({ reason }) => isRefusal(reason));
  return [...refused, ...odd.filter(({ reason }) => !isRefusal(reason))].slice(0, MOST_NAMED);
}
