import pMap from 'p-map';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson, type Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

const DIGITS = 6;
const READ_CONCURRENCY = 16;
/** Other writers may replace or remove a marker while it is written, but hardly this many times in a row. */
const WRITE_TRIES = 8;

/**
 * Names hold the phase as well as the task, since a run may have more than one phase of tasks; numbers are padded so
 * that a listing is in order.
 */
function markerPrefix(run: string, phase: string): string {
  return `runs/${run}/tasks/${phase}-`;
}

function markerName(run: string, phase: string, task: number): string {
  return `${markerPrefix(run, phase)}${String(task).padStart(DIGITS, '0')}.json`;
}

/** Whether the task is done. A marker that cannot be read, or is of another task, does not count. */
export async function hasMarker(store: ObjectStore, run: string, phase: string, task: number): Promise<boolean> {
  return (await readMarker(store, run, phase, task)) !== null;
}

/** Records that a task is done, with its result. The first readable marker counts. */
export async function writeMarker(
  store: ObjectStore,
  run: string,
  phase: string,
  task: number,
  result: Json,
): Promise<void> {
  const name = markerName(run, phase, task);
  const body = encodeJson({ task, result });
  for (let attempt = 1; attempt <= WRITE_TRIES; attempt++) {
    if ((await store.create(name, body)).created) return;
    const found = await store.read(name);
    if (found === null) continue;
    if (parseMarker(found.body, task) !== null || (await store.swap(name, body, found.etag)) !== null) return;
  }
  throw new AppError('store-unavailable', `${name} is being changed by another writer`, {
    hint: 'Find out what else writes under runs/ in the store; the task is tried again.',
    transient: true,
  });
}

/** How many tasks after a finished one are checked before all markers are listed. */
const NEIGHBOURS = 3;

/**
 * Whether all tasks of a phase seem to be done, once `task` is. Most calls find one of the next tasks unfinished, which
 * saves the listing: a thousand tasks would otherwise read a million names. `missingTasks` then reads the markers
 * themselves.
 */
export async function isLastTask(
  store: ObjectStore,
  run: string,
  phase: string,
  task: number,
  count: number,
): Promise<boolean> {
  for (let step = 1; step <= Math.min(NEIGHBOURS, count - 1); step++) {
    if (!(await hasMarker(store, run, phase, (task + step) % count))) return false;
  }
  const marked = await markedTasks(store, run, phase);
  return numbersBelow(count).every((at) => marked.has(at));
}

/**
 * The numbers below `count` that have no marker yet, ascending. Names suffice to show that some are missing; to show that
 * none is missing, every marker is read, because an unreadable or foreign marker does not count.
 */
export async function missingTasks(store: ObjectStore, run: string, phase: string, count: number): Promise<number[]> {
  const marked = await markedTasks(store, run, phase);
  const unmarked = numbersBelow(count).filter((task) => !marked.has(task));
  if (unmarked.length > 0) return unmarked;
  const done = await pMap(numbersBelow(count), (task) => hasMarker(store, run, phase, task), {
    concurrency: READ_CONCURRENCY,
  });
  return numbersBelow(count).filter((task) => done[task] !== true);
}

/** The result of one finished task. Throws `damaged` when its marker was removed or altered. */
export async function taskResult(store: ObjectStore, run: string, phase: string, task: number): Promise<Json> {
  const marker = await readMarker(store, run, phase, task);
  if (marker !== null) return marker.result;
  throw new AppError('damaged', `${markerName(run, phase, task)} is missing from the store, or was altered`, {
    hint: 'Find out what else writes under runs/ in the store, stop it and start the run again.',
  });
}

/**
 * The results of a phase's finished tasks, by ascending number, one in memory at a time. `count`: how many there must be
 * (a missing one throws `damaged`), or null if that is not known.
 */
export async function* taskResults(
  store: ObjectStore,
  run: string,
  phase: string,
  count: number | null,
): AsyncGenerator<{ task: number; result: Json }> {
  if (count !== null) {
    for (const task of numbersBelow(count)) yield { task, result: await taskResult(store, run, phase, task) };
    return;
  }
  for (const task of [...(await markedTasks(store, run, phase))].sort((a, b) => a - b)) {
    const marker = await readMarker(store, run, phase, task);
    if (marker !== null) yield marker;
  }
}

/** Counts markers, and when the newest was written, by the store's clock in milliseconds since the epoch; 0 without any. */
export async function countMarkers(
  store: ObjectStore,
  run: string,
  phase: string,
): Promise<{ readonly count: number; readonly newestAt: number }> {
  let newestAt = 0;
  let count = 0;
  for await (const { modifiedAt } of store.list(markerPrefix(run, phase))) {
    newestAt = Math.max(newestAt, modifiedAt);
    count += 1;
  }
  return { count, newestAt };
}

async function markedTasks(store: ObjectStore, run: string, phase: string): Promise<Set<number>> {
  const prefix = markerPrefix(run, phase);
  const marked = new Set<number>();
  for await (const { name } of store.list(prefix)) {
    const task = Number(name.slice(prefix.length, prefix.length + DIGITS));
    if (Number.isInteger(task) && name === markerName(run, phase, task)) marked.add(task);
  }
  return marked;
}

interface Marker {
  readonly task: number;
  readonly result: Json;
}

async function readMarker(store: ObjectStore, run: string, phase: string, task: number): Promise<Marker | null> {
  const found = await store.read(markerName(run, phase, task));
  return found === null ? null : parseMarker(found.body, task);
}

function parseMarker(body: Uint8Array, task: number): Marker | null {
  try {
    const marker = decodeJson(body) as Partial<Marker> | null;
    return marker?.task === task && marker.result !== undefined ? { task, result: marker.result } : null;
  } catch {
    return null;
  }
}

function numbersBelow(count: number): number[] {
  return Array.from({ length: count }, (_, task) => task);
}
