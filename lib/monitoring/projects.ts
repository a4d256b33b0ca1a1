import { AppError, toAppError } from '../errors.js';
import type { Clock, Ports, RedisPort, VectorIndex } from '../ports/index.js';
import { scanReplies } from '../redis/scan.js';
import { countOf, projectLabel } from '../snapshot/counts.js';
import { latestTrusted } from '../snapshot/latest.js';
import { withDeadline } from './deadline.js';
import type { Manifest } from '../snapshot/manifest.js';
import { trustContext } from '../snapshot/trust.js';
import { loadIndexModels, modelOf } from '../soulcaster/index-models.js';
import { classifyKey } from '../soulcaster/keys.js';

type Reach = 'ok' | 'not-configured' | 'unavailable';

/** A null figure is unknown because its service did not answer. */
export interface ProjectRow {
  /** The project's id, or the manifest's label if the parts are encrypted and neither database nor index names the project. */
  readonly project: string;
  /** Display name; null if the database has none. */
  readonly name: string | null;
  /** Keys in the snapshot; 0 if none is saved or there is no snapshot. Null: the store cannot be read. */
  readonly keys: number | null;
  /** Feedback items in Redis now. */
  readonly items: number | null;
  readonly vectors: number | null;
  /** Vectors not yet visible to queries. */
  readonly pending: number | null;
  /** The model that a proven re-index used; null if none is known. */
  readonly model: { readonly name: string; readonly dimensions: number; readonly provenAt: string | null } | null;
}

export interface ProjectFigures {
  /** The snapshot that `latest` means; null when there is none. */
  readonly snapshot: string | null;
  readonly projects: readonly ProjectRow[];
  readonly store: 'ok' | 'unavailable';
  /** `partly`: the scan stopped before the end, so a project newer than the snapshot may be missing. */
  readonly redis: Reach | 'partly';
  readonly vectors: Reach;
}

/** A service that is not configured is null; connecting may throw. */
export interface ProjectPorts extends Pick<Ports, 'clock' | 'log' | 'signer' | 'store'> {
  /** The source of the database that is protected; null where none is configured. */
  readonly own: string | null;
  readonly redis: (() => RedisPort) | null;
  readonly vectors: (() => VectorIndex) | null;
}

/** How long to wait for one service: the page shows nothing meanwhile. */
const TIMEOUT_MS = 8_000;

/** Figures of each project in the newest verified snapshot, in Redis and in the index. Never throws. */
export async function projectFigures(ports: ProjectPorts): Promise<ProjectFigures> {
  const { clock, redis, vectors } = ports;
  const open = vectors && memoize(vectors);
  const [newest, models, index, seen] = await Promise.all([
    withTimeout(ports, 'store', async () => latestTrusted(await trustContext(ports, ports.own))),
    withTimeout(ports, 'store', () => loadIndexModels(ports.store)),
    withTimeout(ports, 'vectors', open && (() => open().info())),
    withTimeout(ports, 'redis', redis && (() => findProjects(redis(), clock))),
  ]);
  const manifest = newest.value?.manifest ?? null;
  const inSnapshot = manifest === null ? [] : Object.keys(manifest.counts.byProject);
  const spaces = new Map(Object.entries(index.value?.namespaces ?? {}).filter(([name]) => isProject(name)));
  const place = index.value === null || open === null ? null : open().place;
  const isEncrypted = (manifest?.recipients.length ?? 0) > 0;
  const names = [
    ...new Set([...(isEncrypted ? [] : inSnapshot), ...(seen.value?.projects ?? []), ...spaces.keys()]),
  ].sort();
  const [items, titles] = await Promise.all([
    withTimeout(ports, 'redis', redis && (() => countItems(redis(), names))),
    withTimeout(ports, 'redis', redis && (() => readNames(redis(), names))),
  ]);
  const noVectors = index.value === null ? null : 0;
  const isKnown = newest.reach === 'ok';
  const rows = names.map((project, at): ProjectRow => {
    const { vectors: stored = noVectors, pending = noVectors } = spaces.get(project) ?? {};
    const keys = isKnown ? keysOf(manifest, isEncrypted ? projectLabel(project) : project) : null;
    const model = place === null || models.value === null ? null : modelOf(models.value, place, project);
    const name = titles.value?.[at] ?? null;
    return {
      project,
      name,
      keys,
      items: items.value?.[at] ?? null,
      vectors: stored,
      pending,
      model: model && { name: model.model, dimensions: model.dimensions, provenAt: model.provenAt },
    };
  });
  return {
    snapshot: manifest?.id ?? null,
    projects: [...rows, ...unnamedRows(manifest, isEncrypted ? inSnapshot : [], names)],
    store: newest.reach === 'ok' ? 'ok' : 'unavailable',
    redis: items.reach === 'ok' ? (seen.value?.all === false ? 'partly' : seen.reach) : items.reach,
    vectors: index.reach,
  };
}

/** Projects of an encrypted snapshot that neither the database nor the index names, by label. */
function unnamedRows(manifest: Manifest | null, labels: readonly string[], names: readonly string[]): ProjectRow[] {
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

function memoize<T>(open: () => T): () => T {
  let opened: { readonly value: T } | null = null;
  return () => (opened ??= { value: open() }).value;
}

function keysOf(manifest: Manifest | null, name: string): number {
  return manifest === null ? 0 : countOf(manifest.counts.byProject, name);
}

/** Whether a namespace can belong to a project; the index may hold other namespaces. */
function isProject(name: string): boolean {
  return name !== '' && classifyKey(`project:${name}`).project === name;
}

interface Answer<T> {
  readonly reach: Reach;
  readonly value: T | null;
}

async function withTimeout<T>(
  { clock, log }: ProjectPorts,
  part: string,
  call: (() => Promise<T>) | null,
): Promise<Answer<T>> {
  if (call === null) return { reach: 'not-configured', value: null };
  try {
    return { reach: 'ok', value: await withDeadline(clock, clock.now() + TIMEOUT_MS, call, noAnswer) };
  } catch (error) {
    log.warn('projects-part-unavailable', { part, code: toAppError(error).code });
    return { reach: 'unavailable', value: null };
  }
}

const noAnswer = (): AppError => new AppError('busy', 'No answer in time', { hint: 'Try again later.' });

/** COUNT of each SCAN, and the maximum number of pages: half a million keys and 100 commands in all. */
const COUNT = 5_000;
const MAX_PAGES = 100;
/** The scan stops after this time. */
const SCAN_LIMIT_MS = 4_000;

interface FoundProjects {
  readonly projects: ReadonlySet<string>;
  /** Whether the whole database was scanned. */
  readonly all: boolean;
}

/** Projects with a `project:` hash, found within the limits of the scan. */
async function findProjects(redis: RedisPort, clock: Clock): Promise<FoundProjects> {
  const projects = new Set<string>();
  const until = clock.now() + SCAN_LIMIT_MS;
  let pages = 0;
  for await (const { items, next } of scanReplies(redis, '0', () => COUNT, ['MATCH', 'project:*'])) {
    for (const key of items) {
      const { family, project } = classifyKey(String(key));
      if (family === 'project' && project !== null) projects.add(project);
    }
    if (next === null) return { projects, all: true };
    if (++pages >= MAX_PAGES || clock.now() >= until) break;
  }
  return { projects, all: false };
}

/** Number of feedback items of each project, in order; null if the key has another type. */
async function countItems(redis: RedisPort, projects: readonly string[]): Promise<(number | null)[]> {
  if (projects.length === 0) return [];
  const replies = await redis.pipeline(projects.map((project) => ['ZCARD', `feedback:created:${project}`]));
  return replies.map((reply) => ('value' in reply && typeof reply.value === 'number' ? reply.value : null));
}

/** Display name of each project, in order; null if its hash has no name. */
async function readNames(redis: RedisPort, projects: readonly string[]): Promise<(string | null)[]> {
  if (projects.length === 0) return [];
  const replies = await redis.pipeline(projects.map((project) => ['HGET', `project:${project}`, 'name']));
  return replies.map((reply) => {
    const name = 'value' in reply && Buffer.isBuffer(reply.value) ? reply.value.toString('utf8') : '';
    return name === '' ? null : name;
  });
}
