import pMap from 'p-map';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson, type Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

const DIGITS = 6;
/** Markers read at a time. */
const SIDE_BY_SIDE = 16;
/** Others may replace or remove a marker at the moment when it is written, but hardly this many times in a row. */
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

/** Whether the task's work is done. A marker that cannot be read, or is of another task, says nothing. */
export async function hasMarker(store: ObjectStore, run: string, phase: string, task: number): Promise<boolean> {
  return (await readMarker(store, run, phase, task)) !== null;
}

/** Writes down that a task is done, with its result. The first one that can be read counts. */
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
  throw new AppError('store-unavailable', `${name} is changed by others while it is written`, {
    hint: 'Find out what else writes under runs/ in the store; the task is tried again.',
    transient: true,
  });
}

/** This many tasks after a finished one are looked at before all markers are listed. */
const NEIGHBOURS = 3;

/**
 * Whether all of a phase's tasks seem to be done, asked by one that has just finished. Most find one of the next tasks
 * unfinished, which spares the list: with that, a thousand tasks would read a million names. Who continues from here
 * reads the markers (`missingTasks`).
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
 * The numbers below `count` that have no marker yet, ascending. Names are enough to say that some are missing; that none
 * is missing takes a look into every marker, since one that cannot be read, or is not ours, is none.
 */
export async function missingTasks(store: ObjectStore, run: string, phase: string, count: number): Promise<number[]> {
  const marked = await markedTasks(store, run, phase);
  const unmarked = numbersBelow(count).filter((task) => !marked.has(task));
  if (unmarked.length > 0) return unmarked;
  const done = await pMap(numbersBelow(count), (task) => hasMarker(store, run, phase, task), {
    concurrency: SIDE_BY_SIDE,
  });
  return numbersBelow(count).filter((task) => done[task] !== true);
}

/** The result of one finished task. Throws `damaged` when there is none that counts: something removed or altered it. */
export async function taskResult(store: ObjectStore, run: string, phase: string, task: number): Promise<Json> {
  const marker = await readMarker(store, run, phase, task);
  if (marker !== null) return marker.result;
  throw new AppError('damaged', `${markerName(run, phase, task)} is gone from the store, or was altered`, {
    hint: 'Find out what else writes under runs/ in the store, stop it and start the run again.',
  });
}

/**
 * The results of a phase's finished tasks, by ascending number, one in memory at a time. `count`: how many there are;
 * one that is missing then throws `damaged`. Null where that is not known: then those there are.
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

/** The same, with when the newest was written, by the store's clock in milliseconds since the epoch; 0 without any. */
export async function seenMarkers(
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
