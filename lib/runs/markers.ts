import { AppError } from '../errors.js';
import { decodeJson, encodeJson, type Json } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

const DIGITS = 6;

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

/** Whether the task's work is done. */
export async function hasMarker(store: ObjectStore, run: string, phase: string, task: number): Promise<boolean> {
  return (await store.read(markerName(run, phase, task))) !== null;
}

/** Writes down that a task is done, with its result. The first one counts. */
export async function writeMarker(
  store: ObjectStore,
  run: string,
  phase: string,
  task: number,
  result: Json,
): Promise<void> {
  await store.create(markerName(run, phase, task), encodeJson({ task, result }));
}

/** How many tasks of a phase are done. */
export async function countMarkers(store: ObjectStore, run: string, phase: string): Promise<number> {
  const names: string[] = [];
  for await (const { name } of store.list(markerPrefix(run, phase))) names.push(name);
  return names.length;
}

/** So many tasks after a finished one are looked at before all markers are listed. */
const NEIGHBOURS = 3;

/**
 * Whether all of a phase's tasks are done, asked by one that has just finished. Most find one of the next tasks
 * unfinished, which spares the list: with that, a thousand tasks would read a million names.
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
  return (await missingTasks(store, run, phase, count)).length === 0;
}

/** The numbers below `count` that have no marker yet, ascending. */
export async function missingTasks(store: ObjectStore, run: string, phase: string, count: number): Promise<number[]> {
  const prefix = markerPrefix(run, phase);
  const done = new Set<number>();
  for await (const { name } of store.list(prefix)) done.add(Number(name.slice(prefix.length, prefix.length + DIGITS)));
  return Array.from({ length: count }, (_, task) => task).filter((task) => !done.has(task));
}

/** The result of one finished task. Throws `damaged` when there is none: something removed it. */
export async function taskResult(store: ObjectStore, run: string, phase: string, task: number): Promise<Json> {
  const name = markerName(run, phase, task);
  const found = await store.read(name);
  if (found !== null) return (decodeJson(found.body) as { result: Json }).result;
  throw new AppError('damaged', `${name} is gone from the store`, {
    hint: 'Something removes objects under runs/ while a run is at work. Stop it and start the run again.',
  });
}

/** The results of a phase's finished tasks, by ascending number, one in memory at a time. */
export async function* taskResults(
  store: ObjectStore,
  run: string,
  phase: string,
): AsyncGenerator<{ task: number; result: Json }> {
  for await (const { name } of store.list(markerPrefix(run, phase))) {
    const found = await store.read(name);
    if (found !== null) yield decodeJson(found.body) as { task: number; result: Json };
  }
}
