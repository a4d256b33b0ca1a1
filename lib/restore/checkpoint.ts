import { z } from 'zod';
import type { Json } from '../json.js';
import { NEW_WALK, walkStateSchema } from '../redis/scan.js';
import { jsonSchema, type RunFailure, type StepOutcome } from '../runs/model.js';
import type { Finding } from '../snapshot/check-part.js';
import { restoreInputSchema, type RestoreInput } from './model.js';
import { abilitiesSchema } from './abilities.js';
import { planSchema } from './plan.js';

const ids = z.array(z.string());
const factsSchema = z.array(z.object({ project: z.string(), jobs: ids, clusters: ids, users: ids, externals: ids }));

/** State for later attempts and tasks. Bounded by the size of one project and the number of projects. */
const restoreCheckpointSchema = z.object({
  /** When the run began, in milliseconds since the epoch: the expiry rules are relative to this time. */
  startedAt: z.number(),
  /** What rule `shift` adds to each expiry, in milliseconds. */
  shiftMs: z.number(),
  /** SHA-256 of the manifest when the run began; null in runs of older versions. */
  manifestSha256: z.string().nullable().default(null),
  /** Whether the target was empty when the run began: then nothing has to be read before writing. */
  targetEmpty: z.boolean(),
  /** Numbers of the parts that may hold keys of the scope: task n works on the n-th entry. */
  parts: z.array(z.number()),
  /** Damage in the snapshot's parts: if there is any, nothing is written. */
  findings: z.array(z.custom<Finding>()).default([]),
  /** The error of a restore that cannot start, such as a requested key that the snapshot lacks: then nothing is written. */
  lacking: z
    .object({ code: z.custom<RunFailure['code']>(), message: z.string(), hint: z.string() })
    .nullable()
    .default(null),
  /** Ids that the snapshot ties to the restored projects; empty when the scope names no project. */
  facts: factsSchema,
  /** The same, plus the ids tied to them in the database before anything was written: they select the keys to remove. */
  liveFacts: factsSchema,
  /** The erasure list at the run's start, with the ids that the snapshot ties to it: their data are left out. */
  erased: z
    .object({
      users: z.array(z.string()),
      projects: z.array(z.string()),
      jobs: z.array(z.string()).default([]),
      clusters: z.array(z.string()).default([]),
      facts: factsSchema,
    })
    .default({ users: [], projects: [], jobs: [], clusters: [], facts: [] }),
  /** Projects that are locked while the scope is written. */
  projects: z.array(z.string()),
  /** Projects with restored or removed keys that go into vectors; null when the scope itself says which. */
  vectors: z.array(z.string()).nullable().default(null),
  /** Clusters that the snapshot has an item in and that no longer exist: the item is restored as unclustered. */
  goneClusters: z.array(z.object({ project: z.string(), cluster: z.string() })).default([]),
  /** What the target can do; null until probed. */
  abilities: abilitiesSchema.nullable().default(null),
  plan: planSchema.nullable(),
  /** Checkpoint of the safety snapshot, from before the plan on; null before, after, and when none has begun. */
  safety: jsonSchema,
  /** Id of the snapshot that undoes this restore, also for an empty target; `skipped`: none was requested. */
  undo: z.string().nullable(),
  /** Why the first store, which protects the database, could not be marked; null when it was marked or need not be. */
  notMarked: z.string().nullable().default(null),
  /** Locks that another process held when this restore took them. */
  locksTaken: z.number(),
  removed: z.number(),
  /** Keys of the scope that are in the target at the end and not in the snapshot. */
  extras: z.number(),
  /** Whether the target was proven to hold exactly the records of the snapshot: see `isMirror`. */
  mirror: z.boolean().default(false),
  /** Projects per task of the inspection; ten in runs of older versions. */
  projectsATask: z.number().default(10),
  /** Where a walk over the database continues; null at its start. */
  cursor: z.string().nullable(),
  /** Keys that the walk has visited. */
  walked: z.number(),
  /** State that shows whether the walk visited all keys. */
  walk: walkStateSchema.default(NEW_WALK),
  /** Commands and requests of the serial phases; tasks report theirs in their results. */
  spent: z.object({ commands: z.number(), requests: z.number() }),
  /** When each phase was entered, in milliseconds since the epoch. */
  times: z.array(z.tuple([z.string(), z.number()])),
});
export type RestoreCheckpoint = z.infer<typeof restoreCheckpointSchema>;

export function parseRestoreCheckpoint(json: Json): RestoreCheckpoint {
  return restoreCheckpointSchema.parse(json);
}

export function inputOf(run: { readonly input: Json }): RestoreInput {
  return restoreInputSchema.parse(run.input);
}

export function firstRestoreCheckpoint(now: number): RestoreCheckpoint {
  return restoreCheckpointSchema.parse({
    startedAt: now,
    shiftMs: 0,
    targetEmpty: false,
    parts: [],
    facts: [],
    liveFacts: [],
    projects: [],
    plan: null,
    safety: null,
    undo: null,
    locksTaken: 0,
    removed: 0,
    extras: 0,
    cursor: null,
    walked: 0,
    spent: { commands: 0, requests: 0 },
    times: [],
  });
}

/** Continues with another phase and records the time. `tasks` is 0 for a serial phase. */
export function enterPhase(phase: string, state: RestoreCheckpoint, tasks: number, now: number): StepOutcome {
  const checkpoint = {
    ...state,
    cursor: null,
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
