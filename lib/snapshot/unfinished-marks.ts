import { z } from 'zod';
import { passOver } from '../control/authenticated-store.js';
import { AppError } from '../errors.js';
import { decodeJson, encodeJson } from '../json.js';
import type { ObjectStore } from '../ports/store.js';

/** So many hex digits of a source name the object. */
const NAME_DIGITS = 16;
const ATTEMPTS = 12;
/** In the place of a run that is not known, since the document cannot be read. */
const UNKNOWN_RUN = 'unknown';

const unfinishedSchema = z.object({
  /** The run, or another id of what began to write. */
  run: z.string(),
  /** What it writes: everything, or one project. The project's id is not kept where snapshots are encrypted. */
  scope: z.union([z.object({ all: z.literal(true) }), z.object({ project: z.string() })]),
  /** Of a restore of ours; absent for Upstash's own. */
  mode: z.string().optional(),
  since: z.string(),
  kind: z.string(),
});
export type Unfinished = z.infer<typeof unfinishedSchema>;

/** `guard/databases/{source}.json`: restores that began to write into a database and are not known to have ended well. */
const marksSchema = z.object({ source: z.string(), unfinished: z.array(unfinishedSchema) });

export function marksName(source: string): string {
  return `guard/databases/${source.slice(0, NAME_DIGITS)}.json`;
}

/** Restores of this database that are not known to have ended well. */
export async function unfinishedOf(store: ObjectStore, source: string): Promise<readonly Unfinished[]> {
  const found = await store.read(marksName(source));
  if (found === null) return [];
  const marks = parse(found.body, source);
  if (marks.some(({ run }) => run === UNKNOWN_RUN)) passOver(store, marksName(source), found);
  return marks;
}

export interface MarkStores {
  readonly store: ObjectStore;
  /** The second store, where a restore from it leaves its marks; null or absent when there is none. */
  readonly marksElsewhere?: () => ObjectStore | null;
}

/** The same, with those in the second store, as far as it can be read. */
export async function marksOf({ marksElsewhere, store }: MarkStores, source: string): Promise<readonly Unfinished[]> {
  const here = await unfinishedOf(store, source);
  const other = marksElsewhere?.() ?? null;
  const there = other === null ? [] : await unfinishedOf(other, source).catch(() => []);
  return [...here, ...there.filter(({ run }) => !here.some((mark) => mark.run === run))];
}

/** Puts a mark down; one of the same run is replaced. */
export async function addMark(store: ObjectStore, source: string, mark: Unfinished): Promise<void> {
  await change(store, source, (marks) => [...marks.filter(({ run }) => run !== mark.run), mark]);
}

/** Takes away the marks that `isOver` is true of; returns them. */
export async function removeMarks(
  store: ObjectStore,
  source: string,
  isOver: (mark: Unfinished) => boolean,
): Promise<readonly Unfinished[]> {
  let removed: readonly Unfinished[] = [];
  await change(store, source, (marks) => {
    removed = marks.filter(isOver);
    return removed.length === 0 ? marks : marks.filter((mark) => !isOver(mark));
  });
  return removed;
}

/** `a restore of everything, run 2026..., begun at ...` */
export function unfinishedWords({ kind, run, since }: Unfinished): string {
  return `${kind} ${run}, begun at ${since}`;
}

async function change(
  store: ObjectStore,
  source: string,
  edit: (marks: readonly Unfinished[]) => readonly Unfinished[],
): Promise<void> {
  const name = marksName(source);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await store.read(name);
    const before = found === null ? [] : parse(found.body, source);
    const after = edit(before);
    if (after === before) return;
    const body = encodeJson({ source, unfinished: after });
    if (found === null && (await store.create(name, body)).created) return;
    if (found !== null && (await store.swap(name, body, found.etag)) !== null) return;
  }
  throw new AppError('busy', 'The marks of the database change hands too fast', {
    hint: 'Try again.',
    transient: true,
  });
}

/** A document that cannot be read is a mark too: what it said is not known. */
function parse(body: Buffer, source: string): readonly Unfinished[] {
  try {
    return marksSchema.parse(decodeJson(body)).unfinished;
  } catch {
    const mark = { run: UNKNOWN_RUN, scope: { all: true as const }, since: 'an unknown time', kind: 'restore' };
    return [{ ...mark, kind: `a mark in ${marksName(source)} that cannot be read, restore` }];
  }
}
