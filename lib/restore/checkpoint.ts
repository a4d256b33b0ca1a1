import { z } from 'zod';
import type { Json } from '../json.js';
import { NEW_WALK, walkStateSchema } from '../redis/whole-walk.js';
import { jsonSchema, type RunFailure } from '../runs/model.js';
import type { Finding } from '../snapshot/check-part.js';
import { restoreInputSchema, type RestoreInput } from './model.js';
import { abilitiesSchema } from './abilities.js';
import { planSchema } from './plan-counts.js';

const idsSchema = z.object({ jobs: z.array(z.string()), clusters: z.array(z.string()), users: z.array(z.string()) });

/** Of the one project that a run of an older version restores. */
export const UNNAMED_PROJECT = '';

const factsSchema = z.union([
  z.array(idsSchema.extend({ project: z.string(), externals: z.array(z.string()) })),
  idsSchema.transform((ids) => [{ ...ids, project: UNNAMED_PROJECT, externals: [] as string[] }]),
]);

/** What later attempts and tasks of a restore need. Bounded by the size of one project and the number of projects. */
const restoreCheckpointSchema = z.object({
  /** When the run began to work, in milliseconds since the epoch: what the expiry rules reckon from. */
  startedAt: z.number(),
  /** What rule `shift` adds to each expiry, in milliseconds. */
  shiftMs: z.number(),
  /** SHA-256 of the manifest that the run began with; null in runs of older versions. */
  manifestSha256: z.string().nullable().default(null),
  /** Whether the target held nothing when the run began: then nothing has to be read before it is written. */
  targetEmpty: z.boolean(),
  /** Numbers of the parts that may hold keys of the scope: task n works on the n-th of these. */
  parts: z.array(z.number()),
  /** What is wrong with the snapshot's parts: then nothing is written. */
  findings: z.array(z.custom<Finding>()).default([]),
  /** What was asked for and is not in the snapshot: then nothing is written. */
  lacking: z
    .object({ code: z.custom<RunFailure['code']>(), message: z.string(), hint: z.string() })
    .nullable()
    .default(null),
  /** Ids tied to the projects that are restored, in the snapshot; empty where none is named. */
  facts: factsSchema,
  /** The same with those tied to them in the database before anything was written: what is removed is selected by these. */
  liveFacts: factsSchema,
  /** Whose data are left out, as the erasure list had it when the run began, and what the snapshot ties to them. */
  erased: z
    .object({ users: z.array(z.string()), projects: z.array(z.string()), facts: factsSchema })
    .default({ users: [], projects: [], facts: [] }),
  /** Projects whose lock is held while the scope is written. */
  projects: z.array(z.string()),
  /** Projects of which keys are restored or removed that go into vectors; null for a scope that says so itself. */
  vectors: z.array(z.string()).nullable().default(null),
  /** Clusters of the snapshot that an item was in and that are gone: it is put as unclustered. */
  goneClusters: z.array(z.object({ project: z.string(), cluster: z.string() })).default([]),
  /** What the target can do; null until it was asked. */
  abilities: abilitiesSchema.nullable().default(null),
  plan: planSchema.nullable(),
  /** Checkpoint of the snapshot that is taken first, from before the plan on; null before, after, and where none is begun yet. */
  safety: jsonSchema,
  /** Id of the snapshot that undoes this restore, of an empty target as well; `skipped`: told not to take one. */
  undo: z.string().nullable(),
  /** Why the first store, which guards the database, could not be marked; null when it was, or need not be. */
  notMarked: z.string().nullable().default(null),
  /** Locks that somebody else held when they were taken. */
  locksTaken: z.number(),
  removed: z.number(),
  /** Keys of the scope that were not in the snapshot at the end. */
  extras: z.number(),
  /** Whether the target was proven to hold what the records of the snapshot say and nothing else: see `isMirror`. */
  mirror: z.boolean().default(false),
  /** Projects that each task of the inspection has; in runs of older versions ten. */
  projectsATask: z.number().default(10),
  /** Where a walk through the database continues; null at its beginning. */
  cursor: z.string().nullable(),
  /** Keys that the walk has seen. */
  walked: z.number(),
  /** How it is known that the walk saw all keys. */
  walk: walkStateSchema.default(NEW_WALK),
  /** Commands and requests that serial phases spent; tasks tell theirs in their results. */
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
  return {
    startedAt: now,
    shiftMs: 0,
    manifestSha256: null,
    targetEmpty: false,
    parts: [],
    findings: [],
    lacking: null,
    facts: [],
    liveFacts: [],
    erased: { users: [], projects: [], facts: [] },
    projects: [],
    vectors: null,
    goneClusters: [],
    abilities: null,
    plan: null,
    safety: null,
    undo: null,
    notMarked: null,
    locksTaken: 0,
    removed: 0,
    extras: 0,
    mirror: false,
    projectsATask: 10,
    cursor: null,
    walked: 0,
    walk: NEW_WALK,
    spent: { commands: 0, requests: 0 },
    times: [],
  };
}
