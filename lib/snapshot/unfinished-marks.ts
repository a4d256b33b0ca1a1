import { z } from 'zod';
import { passOver, unprovenIn } from '../control/authenticated-store.js';
import { updateObject } from '../control/object.js';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';
import { sourceOf } from './source.js';

/** This many hex digits of a source name the object. */
const NAME_DIGITS = 16;
/** In the place of a run that is not known, since the document cannot be read. */
const UNKNOWN_RUN = 'unknown';

const unfinishedSchema = z.object({
  /** The run, or another id of what began to write. */
  run: z.string(),
  /** What it writes, at most: everything, or one project. No id is kept but its label. */
  scope: z.union([z.object({ all: z.literal(true) }), z.object({ project: z.string() })]),
  /** Which part of that, as labels: keys that fit every kind that is given, by any entry of it. Absent: all of it. */
  kinds: z.record(z.string(), z.array(z.string())).optional(),
  /** Of a restore of ours; absent for Upstash's own. */
  mode: z.string().optional(),
  /** What it restores; absent for Upstash's own, and in marks of older versions. */
  snapshot: z.string().optional(),
  since: z.string(),
  kind: z.string(),
  /** The command that finishes it. Absent where none is known. */
  hint: z.string().optional(),
});
export type Unfinished = z.infer<typeof unfinishedSchema>;

const endedSchema = unfinishedSchema.pick({ run: true, since: true, kind: true });
type Ended = z.infer<typeof endedSchema>;

/**
 * `guard/databases/{source}.json`: restores that began to write into a database and are not known to have ended well.
 * `ended`: the last ones that did, for a snapshot which was read beside one of them.
 */
const marksSchema = z.object({
  source: z.string(),
  unfinished: z.array(unfinishedSchema),
  ended: z.array(endedSchema).default([]),
});
type Marks = Pick<z.infer<typeof marksSchema>, 'unfinished' | 'ended'>;

/** Of those that ended well. */
const MOST_ENDED = 20;
const NO_MARKS: Marks = { unfinished: [], ended: [] };

export function marksName(source: string): string {
  return `guard/databases/${source.slice(0, NAME_DIGITS)}.json`;
}

/** Restores of this database that are not known to have ended well. */
export async function unfinishedOf(store: ObjectStore, source: string): Promise<readonly Unfinished[]> {
  return (await load(store, source)).unfinished;
}

async function load(store: ObjectStore, source: string): Promise<Marks> {
  const found = await store.read(marksName(source));
  const body = found?.body ?? (await unprovenIn(store, marksName(source)));
  if (body === null) return NO_MARKS;
  const marks = parse(body, source);
  if (found !== null && marks.unfinished.some(({ run }) => run === UNKNOWN_RUN))
    passOver(store, marksName(source), found);
  return marks;
}

export interface MarkStores {
  readonly store: ObjectStore;
  /** The other store that may hold marks: of the first the second, and the other way round. Null or absent: there is none. */
  readonly marksElsewhere?: () => ObjectStore | null;
  /** Where `store` is the second one, the first: it guards the database, so that a mark belongs there too. */
  readonly firstStore?: () => ObjectStore;
  /** Where the snapshot that is restored is in no store: what a command names in its place. */
  readonly snapshotWords?: string;
  /** Is told at once why the first store took no mark. */
  readonly onNotMarked?: (why: string) => void;
}

/** The same, with those in the other store, as far as it can be read. */
export async function marksOf({ marksElsewhere, store }: MarkStores, source: string): Promise<readonly Unfinished[]> {
  const here = await unfinishedOf(store, source);
  const other = marksElsewhere?.() ?? null;
  const there = other === null ? [] : await unfinishedOf(other, source).catch(() => []);
  return [...here, ...there.filter(({ run }) => !here.some((mark) => mark.run === run))];
}

export const endedRunsSchema = z.object({
  here: z.array(z.string()),
  /** Null: there is no other store, or it could not be read. */
  there: z.array(z.string()).nullable(),
});
/** The runs of the restores of a database that ended last, by store. */
export type EndedRuns = z.infer<typeof endedRunsSchema>;

export async function endedRuns(ports: MarkStores, source: string): Promise<EndedRuns> {
  const { here, there } = await endedMarks(ports, source);
  const runsOf = (marks: readonly Ended[]): string[] => marks.map(({ run }) => run);
  return { here: runsOf(here), there: there === null ? null : runsOf(there) };
}

/** The restores of a database that ended well and had not when `before` was noted. */
export async function endedSince(ports: MarkStores, source: string, before: EndedRuns): Promise<readonly Ended[]> {
  const { here, there } = await endedMarks(ports, source);
  const fresh = here.filter(({ run }) => !before.here.includes(run));
  const others = (there ?? []).filter(({ run }) => before.there !== null && !before.there.includes(run));
  return [...fresh, ...others.filter(({ run }) => !fresh.some((ended) => ended.run === run))];
}

async function endedMarks(
  { marksElsewhere, store }: MarkStores,
  source: string,
): Promise<{ readonly here: readonly Ended[]; readonly there: readonly Ended[] | null }> {
  const other = marksElsewhere?.() ?? null;
  const there = other === null ? null : await load(other, source).catch(() => null);
  return { here: (await load(store, source)).ended, there: there?.ended ?? null };
}

/** Throws `not-restorable` where a restore into the database `host` began and is not known to have ended well. */
export async function demandFinished(store: ObjectStore, host: string): Promise<void> {
  const [mark] = await unfinishedOf(store, sourceOf(host));
  if (mark === undefined) return;
  throw new AppError(
    'not-restorable',
    `${host} is the target of a restore that did not end: ${unfinishedWords(mark)}`,
    {
      hint: `Nothing was changed. Finish it first${mark.hint === undefined ? '' : `: ${mark.hint}`}, or give --allow-unfinished if its data are as they should be.`,
    },
  );
}

/** Puts a mark down; one of the same run is replaced. */
export async function addMark(store: ObjectStore, source: string, mark: Unfinished): Promise<void> {
  await change(store, source, ({ ended, unfinished }) => ({
    unfinished: [...unfinished.filter(({ run }) => run !== mark.run), mark],
    ended,
  }));
}

/** Takes away the marks that `isOver` is true of, since somebody says that the database is as it should be; returns them. */
export function removeMarks(
  store: ObjectStore,
  source: string,
  isOver: (mark: Unfinished) => boolean,
): Promise<readonly Unfinished[]> {
  return takeAway(store, source, isOver, (ended) => ended);
}

/** The same for restores that ended well, which wrote until now. */
export function endMarks(
  store: ObjectStore,
  source: string,
  isOver: (mark: Unfinished) => boolean,
): Promise<readonly Unfinished[]> {
  return takeAway(store, source, isOver, (ended, removed) => {
    const known = removed.filter(({ run }) => run !== UNKNOWN_RUN);
    return [...ended, ...known.map(({ kind, run, since }) => ({ run, since, kind }))].slice(-MOST_ENDED);
  });
}

async function takeAway(
  store: ObjectStore,
  source: string,
  isOver: (mark: Unfinished) => boolean,
  endedWith: (ended: readonly Ended[], removed: readonly Unfinished[]) => readonly Ended[],
): Promise<readonly Unfinished[]> {
  let removed: readonly Unfinished[] = [];
  await change(store, source, (marks) => {
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

async function change(store: ObjectStore, source: string, edit: (marks: Marks) => Marks): Promise<void> {
  const name = marksName(source);
  await updateObject(store, name, 'The list of restores that did not end', async (found) => {
    const body = found?.body ?? (await unprovenIn(store, name));
    const before = body === null ? NO_MARKS : parse(body, source);
    const after = edit(before);
    return after === before ? null : encodeJson({ source, ...after });
  });
}

/** A document that cannot be read is a mark too: what it said is not known. */
function parse(body: Buffer, source: string): Marks {
  try {
    const { ended, unfinished } = marksSchema.parse(decodeJson(body));
    return { ended, unfinished };
  } catch {
    const mark = { run: UNKNOWN_RUN, scope: { all: true as const }, since: 'an unknown time', kind: 'restore' };
    const kind = `a mark in ${marksName(source)} that cannot be read, restore`;
    return { unfinished: [{ ...mark, kind }], ended: [] };
  }
}
