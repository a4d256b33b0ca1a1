import type { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson, type Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { isId } from './ids.js';
import { type Progress, type RunDefinition, type RunRecord, runRecordSchema } from './model.js';
import { fieldsOf } from './traits.js';

/** A run record and the etag to swap it with. */
export interface HeldRecord {
  readonly record: RunRecord;
  readonly etag: string;
}

/** Who or what starts a run. */
export type Trigger = 'admin' | 'cli' | 'cron' | 'guard';

export interface StartRequest {
  readonly kind: string;
  /** Default: the lease of the kind. */
  readonly lease?: string;
  readonly input: Json;
  /** Default: the `trigger` of the input, if it has one. */
  readonly trigger?: Trigger;
  readonly checkpoint: Json;
  readonly progress: Progress;
}

export function runName(id: string): string {
  return `runs/${id}/run.json`;
}

export async function createRun(store: ObjectStore, record: RunRecord): Promise<HeldRecord> {
  const outcome = await store.create(runName(record.id), encodeJson(record));
  if (!outcome.created) {
    throw new AppError('locked', `A run with the id ${record.id} exists already`, { hint: 'Start the run again.' });
  }
  return { record, etag: outcome.etag };
}

/** Throws `not-found` when there is no such run, `damaged` when its record cannot be read. */
export async function loadRun(store: ObjectStore, id: string): Promise<HeldRecord> {
  const found = isId(id) ? await store.read(runName(id)) : null;
  if (found === null) {
    throw new AppError('not-found', `There is no run ${JSON.stringify(id.slice(0, 64))}`, {
      hint: 'Check the id: it is printed when a run starts, and a snapshot has the id of the run that took it.',
    });
  }
  try {
    return { record: parseRecord(id, found.body), etag: found.etag };
  } catch (error) {
    passOver(store, runName(id), found);
    throw error;
  }
}

/** Throws `fenced` when another attempt has written the record in the meantime. */
export async function saveRun(store: ObjectStore, held: HeldRecord, next: RunRecord): Promise<HeldRecord> {
  const etag = await store.swap(runName(next.id), encodeJson(next), held.etag);
  if (etag === null) {
    throw new AppError('fenced', `Another attempt has taken over run ${next.id}`, {
      hint: 'Nothing to do: the other attempt continues with the work.',
    });
  }
  return { record: next, etag };
}

function parseRecord(id: string, body: Uint8Array): RunRecord {
  try {
    const record = runRecordSchema.parse(decodeJson(body));
    if (record.id !== id) throw new TypeError(`the record is of run ${record.id}`);
    return record;
  } catch (cause) {
    throw new AppError('damaged', `The record of run ${id} cannot be read`, {
      hint: `Check ${runName(id)} in the store; if a newer version wrote it, use that version.`,
      cause,
    });
  }
}

/** The record of a run that has not begun yet. */
export function newRecord(
  id: string,
  definition: RunDefinition,
  request: StartRequest,
  fence: number,
  now: number,
  source: string | null = null,
): RunRecord {
  const at = new Date(now).toISOString();
  const { trigger } = fieldsOf(request.input);
  return runRecordSchema.parse({
    version: 1,
    id,
    kind: definition.kind,
    state: 'running',
    resumeAt: null,
    source,
    lease: request.lease ?? definition.lease,
    phase: definition.firstPhase,
    tasks: 0,
    leg: 0,
    stalls: 0,
    fence,
    firstFence: fence,
    input: request.input,
    checkpoint: request.checkpoint,
    progress: request.progress,
    result: null,
    error: null,
    trigger: request.trigger ?? (typeof trigger === 'string' ? trigger : null),
    doing: definition.words[definition.firstPhase] ?? '',
    phases: [{ phase: definition.firstPhase, at }],
    createdAt: at,
    updatedAt: at,
    finishedAt: null,
  } satisfies z.input<typeof runRecordSchema>);
}
