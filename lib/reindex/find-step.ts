import { isUtf8 } from 'node:buffer';
import { AppError } from '../errors.js';
import { decodeJson } from '../json.js';
import type { RedisPort, RedisValue } from '../ports/redis.js';
import type { ObjectStore } from '../ports/store.js';
import { beginWalk, nameCounter, NEW_WALK, scanReplies, walkAgain } from '../redis/scan.js';
import type { StepOutcome } from '../runs/model.js';
import { classifyKey } from '../soulcaster/keys.js';
import { continueLater, enterPhase, inputOf, type ReindexCheckpoint, stateOf } from './checkpoint.js';
import { type StepContext, throwIfAborted } from './context.js';
import { canBeProject } from './database.js';
import { itemsOnly, projectsIn, type ReindexScope, type SkipReason } from './model.js';

/** Ids in one stored object: about a megabyte. */
const IDS_PER_CHUNK = 20_000;

/**
 * Walks the whole database once and stores what it finds of the scope. A pattern would save nothing: SCAN
 * visits every key anyway, and an id may contain characters that are special in patterns.
 */
export async function scanStep({ ports, attempt }: StepContext): Promise<StepOutcome> {
  const { dropOld, scope } = inputOf(attempt.run);
  let state = stateOf(attempt.run);
  if (state.cursor === null) state = { ...state, chunks: [], seen: 0, walk: NEW_WALK };
  state = { ...state, walk: await beginWalk(ports.redis, state.walk) };
  let count = nameCounter(state.walk);
  let found: Found = new Map();
  let ids = 0;
  const keep = async (cursor: string | null): Promise<void> => {
    const name = `runs/${attempt.run.id}/found/scan-${attempt.fence}-${state.chunks.length}.json`;
    await storeFound(ports.store, name, found);
    state = { ...state, cursor, chunks: [...state.chunks, name] };
    found = new Map();
    ids = 0;
  };
  for (;;) {
    for await (const page of scanKeys(ports.redis, state.cursor ?? '0')) {
      throwIfAborted(attempt.signal);
      for (const key of page.keys) ids += addKey(found, scope, key);
      state = { ...state, seen: state.seen + count(page.keys.map(({ key }) => key)) };
      const isTime = attempt.timeIsUp() && page.next !== null;
      if (isTime || page.next === null || ids >= IDS_PER_CHUNK) await keep(page.next);
      if (isTime) return continueLater(state, state.seen);
      if (ids === 0 && page.next !== null && state.cursor === page.next) await attempt.save(state, progressOf(state));
      attempt.report(() => progressOf(state));
    }
    const again = await walkAgain(ports.redis, state.walk, state.seen);
    if (again === null) return enterPhase(dropOld ? 'drop' : 'plan', state, 0, ports.clock.now());
    // The findings of the broken walk are kept: they existed, and a key that is returned again counts once.
    state = { ...state, cursor: '0', seen: 0, walk: again };
    count = nameCounter(again);
    await attempt.save(state, progressOf(state));
    if (attempt.timeIsUp()) return continueLater(state, state.seen);
  }
}

function progressOf({ seen }: ReindexCheckpoint) {
  return { done: seen, total: null, unit: 'keys', bytes: 0 } as const;
}

/** What SCAN found for one project. */
export interface FoundProject {
  readonly items: Set<string>;
  /** Item keys whose value cannot be an item. */
  readonly odd: Map<string, SkipReason>;
  readonly clusters: Set<string>;
}

/** By project; '' holds data from before there were projects. */
export type Found = Map<string, FoundProject>;

type StoredProject = [project: string, items: string[], odd: [string, SkipReason][], clusters: string[]];

/** Adds a key if it is in the scope; returns at most how many ids were added. */
export function addKey(found: Found, scope: ReindexScope, { key, type }: TypedKey): number {
  const known = classifyKey(key.toString('utf8'));
  const project = known.project ?? '';
  if (projectsIn(scope)?.includes(project) === false) return 0;
  const { family } = known;
  if (family === 'feedback' || family === 'legacy-feedback') {
    if (itemsOnly(scope, project)?.has(known.item ?? '') === false) return 0;
    addItem(entryOf(found, project), known.item ?? '', isUtf8(key) ? type : null);
    return 1;
  }
  if (!isUtf8(key)) return 0;
  if (family === 'cluster-items' || family === 'legacy-cluster-items') {
    if (type === 'set') entryOf(found, project).clusters.add(known.cluster ?? '');
    return 1;
  }
  // A project without items also has a namespace, which may hold leftover vectors.
  if (family !== 'project' || !canBeProject(project)) return 0;
  entryOf(found, project);
  return 1;
}

/** `type` is null for a key that is not UTF-8: no vector id could name it. */
function addItem(project: FoundProject, id: string, type: string | null): void {
  if (type === 'hash') project.items.add(id);
  else project.odd.set(id, type === null ? 'not-utf8' : 'not-a-hash');
}

/** The entry of a project, created if there is none. */
export function entryOf(found: Found, project: string): FoundProject {
  const known = found.get(project) ?? { items: new Set(), odd: new Map(), clusters: new Set() };
  found.set(project, known);
  return known;
}

/** Stores the findings for another attempt or the next phase. */
export async function storeFound(store: ObjectStore, name: string, found: Found): Promise<void> {
  const stored = [...found].map(([project, { items, odd, clusters }]): StoredProject => [
    project,
    [...items],
    [...odd],
    [...clusters],
  ]);
  await store.create(name, Buffer.from(JSON.stringify({ projects: stored })));
}

/** Merges the findings of all named objects; an id that SCAN returned more than once counts once. */
export async function loadFound(store: ObjectStore, names: readonly string[]): Promise<Found> {
  const found: Found = new Map();
  for (const name of names) {
    for (const [project, items, odd, clusters] of await loadChunk(store, name)) {
      const known = entryOf(found, project);
      for (const id of items) known.items.add(id);
      for (const [id, reason] of odd) known.odd.set(id, reason);
      for (const id of clusters) known.clusters.add(id);
    }
  }
  // A key that changed its type during the walk counts as an item; it is checked again when it is read.
  for (const { items, odd } of found.values()) for (const id of items) odd.delete(id);
  return found;
}

async function loadChunk(store: ObjectStore, name: string): Promise<StoredProject[]> {
  const object = await store.read(name);
  if (object !== null) return (decodeJson(object.body) as { projects: StoredProject[] }).projects;
  throw new AppError('damaged', `${name} is missing from the store`, {
    hint: 'Something removes objects under runs/ while a run is in progress. Find and stop it, then start the re-index again.',
  });
}

interface TypedKey {
  readonly key: Buffer;
  /** As returned by TYPE. */
  readonly type: string;
}

export interface KeyPage {
  readonly keys: readonly TypedKey[];
  /** The cursor to continue from; null at the end. */
  readonly next: string | null;
}

const COUNT = 1000;

/**
 * Every key of the database with its type, from a cursor on. A key may be returned twice, and pages may be empty; only
 * cursor 0 is the end (Redis documentation, SCAN guarantees).
 */
export async function* scanKeys(redis: RedisPort, cursor: string): AsyncGenerator<KeyPage> {
  for await (const { next, items } of scanReplies(redis, cursor, () => COUNT))
    yield { keys: [...typedKeys(items)], next };
}

/**
 * Adds the projects that were created since the walk, if all are in the scope: a command per 1,000 keys, with replies that
 * hold the names of projects alone. `withListed` then finds their items.
 */
export async function addNewProjects(
  redis: RedisPort,
  found: Found,
  scope: ReindexScope,
  signal: AbortSignal,
): Promise<void> {
  if (!('all' in scope)) return;
  for await (const { items } of scanReplies(redis, '0', () => COUNT, ['MATCH', 'project:*'])) {
    throwIfAborted(signal);
    for (const key of items) if (Buffer.isBuffer(key)) addKey(found, scope, { key, type: 'hash' });
  }
}

function* typedKeys(flat: readonly RedisValue[]): Generator<TypedKey> {
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [key, type] = [flat[at], flat[at + 1]];
    if (Buffer.isBuffer(key) && Buffer.isBuffer(type)) yield { key, type: type.toString('latin1') };
  }
}
