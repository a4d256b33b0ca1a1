import { z } from 'zod';
import type { Json } from '../json.js';
import { NEW_WALK, walkStateSchema } from '../redis/whole-walk.js';
import type { Finding } from '../snapshot/check-part.js';
import { restoreInputSchema, type RestoreInput } from './model.js';
import { abilitiesSchema } from './abilities.js';
import { planSchema } from './plan-counts.js';

const factsSchema = z.object({
  jobs: z.array(z.string()),
  clusters: z.array(z.string()),
  users: z.array(z.string()),
});

/** What later legs and tasks of a restore need. Bounded by the size of one project and the number of projects. */
export const restoreCheckpointSchema = z.object({
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
  /** Ids tied to the project that is restored, in the snapshot; empty for everything. */
  facts: factsSchema,
  /** The same with those tied to it in the database before anything was written: what is removed is selected by these. */
  liveFacts: factsSchema,
  /** Projects whose lock is held while the scope is written. */
  projects: z.array(z.string()),
  /** What the target can do; null until it was asked. */
  abilities: abilitiesSchema.nullable().default(null),
  plan: planSchema.nullable(),
  /** Checkpoint of the snapshot that is taken first; null before and after. */
  safety: z.json(),
  /** Id of the snapshot that undoes this restore, of an empty target as well; `skipped`: told not to take one. */
  undo: z.string().nullable(),
  /** Locks that somebody else held when they were taken. */
  locksTaken: z.number(),
  removed: z.number(),
  /** Keys of the scope that were not in the snapshot at the end. */
  extras: z.number(),
  /** Where a walk through the database goes on; null at its beginning. */
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
  const none = { jobs: [], clusters: [], users: [] };
  return {
    startedAt: now,
    shiftMs: 0,
    manifestSha256: null,
    targetEmpty: false,
    parts: [],
    findings: [],
    facts: none,
    liveFacts: none,
    projects: [],
    abilities: null,
    plan: null,
    safety: null,
    undo: null,
    locksTaken: 0,
    removed: 0,
    extras: 0,
    cursor: null,
    walked: 0,
    walk: NEW_WALK,
    spent: { commands: 0, requests: 0 },
    times: [],
  };
}
