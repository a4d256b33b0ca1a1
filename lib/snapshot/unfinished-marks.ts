import { z } from 'zod';
import { evenUnproven, passOver } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { AppError } from '../errors.js';
import { encodeJson, parseStored } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { sourceOf } from './source.js';

/** Hex digits of a source in the name of its object. */
const NAME_DIGITS = 16;
/** The run of a mark that cannot be read. */
const UNKNOWN_RUN = 'unknown';

const unfinishedSchema = z.object({
  /** The run that began to write, or another id of the writer. */
  run: z.string(),
  /** The most that it writes: everything, or one project, which is stored as its label. */
  scope: z.union([z.object({ all: z.literal(true) }), z.object({ project: z.string() })]),
  /** Narrows the scope, as labels: a key must match every kind, by any of its entries. Absent: the whole scope. */
  kinds: z.record(z.string(), z.array(z.string())).optional(),
  /** The mode of our own restore; absent for one by Upstash. */
  mode: z.string().optional(),
  /** The snapshot that is restored; absent for a restore by Upstash, and in marks of older versions. */
  snapshot: z.string().optional(),
  /** The file that this snapshot was made from, as a hash: each reading of a file gives the snapshot another id. */
  file: z.string().optional(),
  since: z.string(),
  kind: z.string(),
  /** The command that finishes the restore; absent where none is known. */
  hint: z.string().optional(),
});
export type Unfinished = z.infer<typeof unfinishedSchema>;

const endedSchema = unfinishedSchema.pick({ run: true, since: true, kind: true }).extend({
  /** Whether everything was replaced, so that nothing of an earlier restore is left; absent in marks of older versions. */
  whole: z.boolean().optional(),
});
type Ended = z.infer<typeof endedSchema>;

/**
 * `guard/databases/{source}.json`: restores that began to write into a database and are not known to have succeeded.
 * `ended`: the last restores that succeeded, for snapshots that were read during one of them.
 */
const marksSchema = z.object({
  source: z.string(),
  unfinished: z.array(unfinishedSchema),
  ended: z.array(endedSchema).default([]),
});
type Marks = Pick<z.infer<typeof marksSchema>, 'unfinished' | 'ended'>;

/** `isProven`: whether the list carries a valid signature, or none is required. Null as `source`: it cannot be read. */
type LoadedMarks = Marks & { readonly source: string | null; readonly isProven: boolean };

/** The most entries of `ended`. */
const MAX_ENDED = 20;
const NO_MARKS: Marks = { unfinished: [], ended: [] };
const NOT_MARKED: LoadedMarks = { ...NO_MARKS, source: null, isProven: true };

const MARKS_PREFIX = 'guard/databases/';

export function marksName(source: string): string {
  return `${MARKS_PREFIX}${source.slice(0, NAME_DIGITS)}.json`;
}

/** Restores of this database that are not known to have succeeded. */
export async function unfinishedOf(store: ObjectStore, source: string): Promise<readonly Unfinished[]> {
  return (await loadMarks(store, marksName(source))).unfinished;
}

/** Unfinished restores of all databases that this store has marks of. */
export async function unfinishedOfAll(store: ObjectStore): Promise<readonly Unfinished[]> {
  const all: Unfinished[] = [];
  for await (const { unfinished } of allMarks(store)) all.push(...unfinished);
  return all;
}

/** The marks of all databases, with the names of their objects. */
async function* allMarks(store: ObjectStore): AsyncGenerator<LoadedMarks & { readonly name: string }> {
  for await (const { name } of store.list(MARKS_PREFIX)) yield { name, ...(await loadMarks(store, name)) };
}

/** Snapshots with which unfinished restores of any database are finished, and those with which they are undone. */
export async function neededByRestores(store: ObjectStore): Promise<Set<string>> {
  const needed = new Set<string>();
  for (const { run, snapshot = run } of await unfinishedOfAll(store)) needed.add(run).add(snapshot);
  return needed;
}

async function loadMarks(store: ObjectStore, name: string): Promise<LoadedMarks> {
  const found = await store.read(name);
  const body = await evenUnproven(store, name, found);
  if (body === null) return NOT_MARKED;
  const marks = parse(body, name);
  if (found !== null && marks.source === null) passOver(store, name, found);
  return { ...marks, isProven: found !== null };
}

/** The restores that ended by this list. Without a valid signature it ends none: anybody may have written it. */
function endedIn({ ended, isProven }: LoadedMarks): Set<string> {
  return new Set(isProven ? ended.map(({ run }) => run) : []);
}

export interface MarkStores {
  readonly store: ObjectStore;
  /** The other store that may hold marks: the second for the first, and the reverse. Null or absent: there is none. */
  readonly marksElsewhere?: () => ObjectStore | null;
  /** The first store where `store` is the second: the first protects the database, so it must get the mark as well. */
  readonly firstStore?: () => ObjectStore;
  /** Where the restored snapshot is in no store: what a command names instead of its id. */
  readonly snapshotWords?: string;
  /** Called with the reason why the first store took no mark. */
  readonly onNotMarked?: (why: string) => void;
}

/** Does `work` in this store, and in the other one if it can be reached: it may be lost, which is why there are two. */
export async function inBothStores<T>(
  { marksElsewhere, store }: MarkStores,
  work: (each: ObjectStore) => Promise<T>,
): Promise<readonly T[]> {
  const here = await work(store);
  const other = marksElsewhere?.() ?? null;
  const there = other === null ? null : await work(other).catch(() => null);
  return there === null ? [here] : [here, there];
}

/**
 * Unfinished restores of this database by both stores, as far as the other one can be read. A mark of one store does not
 * count if its restore ended by the other: the one was out of reach at that time.
 */
export async function marksOf(ports: MarkStores, source: string): Promise<readonly Unfinished[]> {
  const stores = await inBothStores(ports, (each) => loadMarks(each, marksName(source)));
  const known = new Set(stores.flatMap((marks) => [...endedIn(marks)]));
  const marks: Unfinished[] = [];
  for (const mark of stores.flatMap(({ unfinished }) => unfinished)) {
    if (known.has(mark.run)) continue;
    known.add(mark.run);
    marks.push(mark);
  }
  return marks;
}

/** Removes the marks of a store, of any database, whose restores ended by the other store. */
export async function dropEndedMarks(store: ObjectStore, other: ObjectStore): Promise<void> {
  for await (const { name, source, unfinished } of allMarks(store)) {
    if (source === null || unfinished.length === 0) continue;
    const ended = endedIn(await loadMarks(other, name));
    const isOver = ({ run }: Unfinished): boolean => ended.has(run);
    // Not added to `ended`: a snapshot that is read now would be taken for one that a restore wrote into.
    if (unfinished.some(isOver)) await removeMarks(store, source, isOver);
  }
}

export const endedRunsSchema = z.object({
  here: z.array(z.string()),
  /** Null: there is no other store, or it could not be read. */
  there: z.array(z.string()).nullable(),
});
/** The runs of the last successful restores of a database, by store. */
export type EndedRuns = z.infer<typeof endedRunsSchema>;

export async function endedRuns(ports: MarkStores, source: string): Promise<EndedRuns> {
  const { here, there } = await endedMarks(ports, source);
  const runsOf = (marks: readonly Ended[]): string[] => marks.map(({ run }) => run);
  return { here: runsOf(here), there: there === null ? null : runsOf(there) };
}

/** The restores of a database that succeeded after `before` was read. */
export async function endedSince(ports: MarkStores, source: string, before: EndedRuns): Promise<readonly Ended[]> {
  const { here, there } = await endedMarks(ports, source);
  const added = here.filter(({ run }) => !before.here.includes(run));
  const others = (there ?? []).filter(({ run }) => before.there !== null && !before.there.includes(run));
  return [...added, ...others.filter(({ run }) => !added.some((ended) => ended.run === run))];
}

async function endedMarks(
  ports: MarkStores,
  source: string,
): Promise<{ readonly here: readonly Ended[]; readonly there: readonly Ended[] | null }> {
  const [here = NO_MARKS, there] = await inBothStores(ports, (each) => loadMarks(each, marksName(source)));
  return { here: here.ended, there: there?.ended ?? null };
}

/** Throws `not-restorable` where a restore into the database `host` began and by no store is known to have succeeded. */
export async function assertNoUnfinishedRestore(ports: MarkStores, host: string): Promise<void> {
  const [mark] = await marksOf(ports, sourceOf(host));
  if (mark === undefined) return;
  throw new AppError(
    'not-restorable',
    `${host} is the target of a restore that did not end: ${unfinishedWords(mark)}`,
    {
      hint: `Nothing was changed. Finish it first${mark.hint === undefined ? '' : `: ${mark.hint}`}, or pass --allow-unfinished if its data are correct.`,
    },
  );
}

/** Adds a mark, or replaces the one of the same run. */
export async function addMark(store: ObjectStore, source: string, mark: Unfinished): Promise<void> {
  await updateMarks(store, source, ({ ended, unfinished }) => ({
    unfinished: [...unfinished.filter(({ run }) => run !== mark.run), mark],
    ended,
  }));
}

/** Removes and returns the marks that match `isOver`, because an operator declared the database correct. */
export function removeMarks(
  store: ObjectStore,
  source: string,
  isOver: (mark: Unfinished) => boolean,
): Promise<readonly Unfinished[]> {
  return removeMatching(store, source, isOver, (ended) => ended);
}

/**
 * Removes the marks of a restore in all databases but `own`, because an operator declared its database gone: nothing finishes
 * the restore, and its snapshots need not be kept for it. Returns how many databases had one.
 */
export async function removeMarksOfGone(store: ObjectStore, run: string, own: string | null): Promise<number> {
  let removed = 0;
  for await (const { name, source } of allMarks(store)) {
    if (source === null || source === own || marksName(source) !== name) continue;
    if ((await removeMarks(store, source, (mark) => mark.run === run)).length > 0) removed += 1;
  }
  return removed;
}

/** Removes the marks of restores that succeeded, and adds these to `ended`. */
export function endMarks(
  store: ObjectStore,
  source: string,
  isOver: (mark: Unfinished) => boolean,
): Promise<readonly Unfinished[]> {
  return removeMatching(store, source, isOver, (ended, removed) => {
    const known = removed.filter(({ run }) => run !== UNKNOWN_RUN);
    return [...ended, ...known.map(endedMark)].slice(-MAX_ENDED);
  });
}

/** A restore by Upstash has no mode, and replaces everything. */
function endedMark({ kind, kinds, mode = 'replace', run, scope, since }: Unfinished): Ended {
  const isWhole = 'all' in scope && kinds === undefined && mode === 'replace';
  return { run, since, kind, ...(isWhole ? { whole: true } : {}) };
}

/**
 * Copies the marks of an earlier address of a database to its present one, in both stores. Nothing is copied if everything
 * in the database at the present address was replaced since: it is another database then, or the restore was finished.
 * Returns the marks that were copied.
 */
export async function copyMarks(ports: MarkStores, from: string, to: string): Promise<readonly Unfinished[]> {
  const replaced = (await inBothStores(ports, async (each) => (await loadMarks(each, marksName(to))).ended)).flat();
  const isOver = ({ since }: Unfinished): boolean => replaced.some((each) => each.whole === true && each.since > since);
  const marks = (await marksOf(ports, from)).filter((mark) => !isOver(mark));
  for (const mark of marks) await inBothStores(ports, (each) => addMark(each, to, mark));
  return marks;
}

async function removeMatching(
  store: ObjectStore,
  source: string,
  isOver: (mark: Unfinished) => boolean,
  endedWith: (ended: readonly Ended[], removed: readonly Unfinished[]) => readonly Ended[],
): Promise<readonly Unfinished[]> {
  let removed: readonly Unfinished[] = [];
  await updateMarks(store, source, (marks) => {
    const { ended, unfinished } = marks;
    removed = unfinished.filter(isOver);
    if (removed.length === 0) return marks;
    return { unfinished: unfinished.filter((mark) => !isOver(mark)), ended: [...endedWith(ended, removed)] };
  });
  return removed;
}

/** `a restore of everything, run 2026..., begun at ...` */
export function unfinishedWords({ kind, run, since }: Ended): string {
  return `${kind} ${run}, begun at ${since}`;
}

async function updateMarks(store: ObjectStore, source: string, edit: (marks: Marks) => Marks): Promise<void> {
  const name = marksName(source);
  await updateObject(store, name, 'The list of restores that did not end', async (found) => {
    const body = await evenUnproven(store, name, found);
    const before: Marks = body === null ? NO_MARKS : parse(body, name);
    const after = edit(before);
    return after === before ? null : encodeJson({ source, unfinished: after.unfinished, ended: after.ended });
  });
}

/** A list that cannot be read counts as one mark of an unknown restore. */
function parse(body: Buffer, name: string): Omit<LoadedMarks, 'isProven'> {
  const kind = `a mark in ${name} that cannot be read, restore`;
  const unknown: Unfinished = { run: UNKNOWN_RUN, scope: { all: true }, since: 'an unknown time', kind };
  return parseStored(marksSchema, body) ?? { source: null, unfinished: [unknown], ended: [] };
}
