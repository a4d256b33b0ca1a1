import { AppError, toAppError } from '../errors.js';
import type { Ports, RedisPort, VectorIndex, Clock } from '../ports/index.js';
import { countOf } from '../snapshot/counts.js';
import { trustContext } from '../snapshot/trust.js';
import { latestTrusted } from '../snapshot/latest.js';
import type { Manifest } from '../snapshot/manifest.js';
import { projectLabel } from '../snapshot/project-label.js';
import { loadIndexModels, modelOf, type NamespaceModel } from '../soulcaster/index-models.js';
import { classifyKey } from '../soulcaster/keys.js';
import { scanReplies } from '../redis/scan.js';

type Reach = 'ok' | 'not-configured' | 'unavailable';

/** Null is what is not known, because a service is not there to say it. */
export interface ProjectRow {
  /** Its id; where parts are encrypted and nothing names it any more, the label that the manifest has for it. */
  readonly project: string;
  /** What people call it; null where the database does not say. */
  readonly name: string | null;
  /** Keys in the snapshot; 0: none of it is saved, also where there is no snapshot. Null: the store does not say. */
  readonly keys: number | null;
  /** Feedback items in Redis now. */
  readonly items: number | null;
  readonly vectors: number | null;
  /** Vectors that queries do not see yet. */
  readonly pending: number | null;
  /** What a proven re-index made the vectors with; null where none is known. */
  readonly model: { readonly name: string; readonly dimensions: number; readonly provenAt: string | null } | null;
}

export interface ProjectFigures {
  /** What `latest` means; null when there is none. */
  readonly snapshot: string | null;
  readonly projects: readonly ProjectRow[];
  readonly store: 'ok' | 'unavailable';
  /** `partly`: there are more keys than were looked through, so that a project newer than the snapshot may be missing. */
  readonly redis: Reach | 'partly';
  readonly vectors: Reach;
}

/** What is not configured is null; connecting may throw. */
export interface ProjectPorts extends Pick<Ports, 'clock' | 'log' | 'signer' | 'store'> {
  /** The source of the database that is protected; null where none is configured. */
  readonly own: string | null;
  readonly redis: (() => RedisPort) | null;
  readonly vectors: (() => VectorIndex) | null;
}

/** How long the view waits for one service, in milliseconds: somebody looks at the page meanwhile. */
const PATIENCE_MS = 8_000;

/** What there is of each project in the newest verified snapshot, in Redis and in the index. Throws nothing. */
export async function projectFigures(ports: ProjectPorts): Promise<ProjectFigures> {
  const { clock, redis, vectors } = ports;
  const open = vectors && memo(vectors);
  const [newest, models, index, seen] = await Promise.all([
    withinPatience(ports, 'store', async () => latestTrusted(await trustContext(ports, ports.own))),
    withinPatience(ports, 'store', () => loadIndexModels(ports.store)),
    withinPatience(ports, 'vectors', open && (() => open().info())),
    withinPatience(ports, 'redis', redis && (() => findProjects(redis(), clock))),
  ]);
  const manifest = newest.value?.manifest ?? null;
  const inSnapshot = manifest === null ? [] : Object.keys(manifest.counts.byProject);
  const spaces = new Map(Object.entries(index.value?.namespaces ?? {}).filter(([name]) => isProject(name)));
  const place = index.value === null || open === null ? null : open().place;
  const sealed = (manifest?.recipients.length ?? 0) > 0;
  const names = [...new Set([...(sealed ? [] : inSnapshot), ...(seen.value?.projects ?? []), ...spaces.keys()])].sort();
  const [items, called] = await Promise.all([
    withinPatience(ports, 'redis', redis && (() => countItems(redis(), names))),
    withinPatience(ports, 'redis', redis && (() => readNames(redis(), names))),
  ]);
  const none = index.value === null ? null : 0;
  const isKnown = newest.reach === 'ok';
  const rows = names.map((project, at): ProjectRow => {
    const { vectors: stored = none, pending = none } = spaces.get(project) ?? {};
    const keys = isKnown ? keysOf(manifest, sealed ? projectLabel(project) : project) : null;
    const model = place === null || models.value === null ? null : modelOf(models.value, place, project);
    const name = called.value?.[at] ?? null;
    return { project, name, keys, items: items.value?.[at] ?? null, vectors: stored, pending, model: view(model) };
  });
  return {
    snapshot: manifest?.id ?? null,
    projects: [...rows, ...unnamed(manifest, sealed ? inSnapshot : [], names)],
    store: newest.reach === 'ok' ? 'ok' : 'unavailable',
    redis: items.reach === 'ok' ? (seen.value?.all === false ? 'partly' : seen.reach) : items.reach,
    vectors: index.reach,
  };
}

/** Projects of an encrypted snapshot that neither the database nor the index names: they are told of by their labels. */
function unnamed(manifest: Manifest | null, labels: readonly string[], names: readonly string[]): ProjectRow[] {
  const known = new Set(names.map(projectLabel));
  return labels
    .filter((label) => !known.has(label))
    .map((project) => ({
      project,
      name: null,
      keys: keysOf(manifest, project),
      items: null,
      vectors: null,
      pending: null,
      model: null,
    }));
}

function view(model: NamespaceModel | null): ProjectRow['model'] {
  return model && { name: model.model, dimensions: model.dimensions, provenAt: model.provenAt };
}

function memo<T>(open: () => T): () => T {
  let opened: { readonly value: T } | null = null;
  return () => (opened ??= { value: open() }).value;
}

function keysOf(manifest: Manifest | null, name: string): number {
  return manifest === null ? 0 : countOf(manifest.counts.byProject, name);
}

/** Whether a namespace could be a project's: the index may hold others. */
function isProject(name: string): boolean {
  return name !== '' && classifyKey(`project:${name}`).project === name;
}

interface Answer<T> {
  readonly reach: Reach;
  readonly value: T | null;
}

async function withinPatience<T>(
  { clock, log }: ProjectPorts,
  part: string,
  call: (() => Promise<T>) | null,
): Promise<Answer<T>> {
  if (call === null) return { reach: 'not-configured', value: null };
  const over = new AbortController();
  const late = clock.sleep(PATIENCE_MS, over.signal).then((): never => {
    throw new AppError('busy', 'No answer in time', { hint: 'Look again later.' });
  });
  // After the race nobody listens to the loser any more.
  late.catch(() => undefined);
  try {
    return { reach: 'ok', value: await Promise.race([Promise.resolve().then(call), late]) };
  } catch (error) {
    log.warn('projects-part-unavailable', { part, code: toAppError(error).code });
    return { reach: 'unavailable', value: null };
  } finally {
    over.abort();
  }
}

/** Keys that one SCAN looks at, and how many of them are made: half a million keys, and 100 commands, at most. */
const COUNT = 5_000;
const MOST_PAGES = 100;
/** After this many milliseconds what was seen will do. */
const LONG_ENOUGH_MS = 4_000;

interface FoundProjects {
  readonly projects: ReadonlySet<string>;
  /** Whether the whole database was looked through. */
  readonly all: boolean;
}

/** The projects that have a `project:` hash, as far as they are found within bounds. */
async function findProjects(redis: RedisPort, clock: Clock): Promise<FoundProjects> {
  const projects = new Set<string>();
  const until = clock.now() + LONG_ENOUGH_MS;
  let pages = 0;
  for await (const { items, next } of scanReplies(redis, '0', () => COUNT, ['MATCH', 'project:*'])) {
    for (const key of items) {
      const { family, project } = classifyKey(String(key));
      if (family === 'project' && project !== null) projects.add(project);
    }
    if (next === null) return { projects, all: true };
    if (++pages >= MOST_PAGES || clock.now() >= until) break;
  }
  return { projects, all: false };
}

/** How many feedback items each project has, in order; null where the key is not what it should be. */
async function countItems(redis: RedisPort, projects: readonly string[]): Promise<(number | null)[]> {
  if (projects.length === 0) return [];
  const replies = await redis.pipeline(projects.map((project) => ['ZCARD', `feedback:created:${project}`]));
  return replies.map((reply) => ('value' in reply && typeof reply.value === 'number' ? reply.value : null));
}

/** What people call each project, in order; null where its hash has no name. */
async function readNames(redis: RedisPort, projects: readonly string[]): Promise<(string | null)[]> {
  if (projects.length === 0) return [];
  const replies = await redis.pipeline(projects.map((project) => ['HGET', `project:${project}`, 'name']));
  return replies.map((reply) => {
    const name = 'value' in reply && Buffer.isBuffer(reply.value) ? reply.value.toString('utf8') : '';
    return name === '' ? null : name;
  });
}
