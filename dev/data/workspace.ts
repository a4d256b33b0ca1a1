import { writeCluster } from './clusters.js';
import { writeItem } from './items.js';
import { writeClusterJobs, writeProject } from './project.js';
import { seededRandom, type Random } from './random.js';
import {
  DAY,
  stampWithin,
  type Scope,
  collectionWriter,
  hash,
  type CollectionWriter,
  type Write,
  createCommand,
} from './write.js';
import { TOPICS, writer, type Writer } from './wording.js';

export interface WorkspaceOptions {
  readonly projects: number;
  /** Feedback items of each project; about 2.4 keys per item are written. */
  readonly items: number;
  readonly seed: number;
  /** Milliseconds since the epoch; default the current time. The same seed and time give the same data. */
  readonly now?: number;
  /** Default one user for three projects. */
  readonly users?: number;
  /** Items of a cluster on average; default 8. */
  readonly clusterSize?: number;
  /** Share of items in no cluster; default 0.15. */
  readonly unclustered?: number;
  /** Whether the first project is being clustered, its lock held for ten minutes; default true. */
  readonly locked?: boolean;
  /** Whether keys from before the application had projects are written as well; default true. */
  readonly legacy?: boolean;
}

interface Plan extends Required<WorkspaceOptions> {
  readonly random: Random;
  readonly writer: Writer;
}

/** All data of a workspace as a stream of commands, consistent by the application's rules. */
export function* generateWorkspace(options: WorkspaceOptions): Generator<Write> {
  const plan = planOf(options);
  const owners = Array.from({ length: plan.users }, () => plan.random.cuid());
  const owned = owners.map((user) => collectionWriter(null, 'SADD', `user:projects:${user}`));
  for (let index = 0; index < plan.projects; index++) {
    const turn = index % plan.users;
    const user = owners[turn] ?? '';
    // The application may give a user's first project the id of the user.
    const isNamesake = index < plan.users && index % 2 === 0;
    const project = isNamesake ? user : plan.random.chance(0.5) ? plan.random.cuid() : plan.random.uuid();
    yield* writeWholeProject(plan, project, user, index);
    yield* owned[turn]?.add(project) ?? [];
  }
  for (const projects of owned) yield* projects.rest();
  const [first] = owners;
  if (first !== undefined) {
    const since = stampWithin(plan, 400 * DAY).iso;
    yield hash(null, `user:${first}`, {
      id: first,
      email: 'ada@example.com',
      name: 'Ada Łukasiewicz',
      created_at: since,
    });
  }
  if (plan.legacy) yield* writeLegacy(plan.random);
}

function planOf(options: WorkspaceOptions): Plan {
  const random = seededRandom(options.seed);
  const users = options.users ?? Math.ceil(options.projects / 3);
  const defaults = { now: Date.now(), clusterSize: 8, unclustered: 0.15, locked: true, legacy: true };
  const plan = { ...defaults, ...options, users: Math.min(users, options.projects), random };
  return { ...plan, writer: writer(random) };
}

function* writeWholeProject(plan: Plan, project: string, user: string, index: number): Generator<Write> {
  const sources = new Map<string, CollectionWriter>();
  const scope = scopeOf(plan, project, user, sources);
  yield* writeProject(scope, `Project ${index + 1} · ${scope.random.pick(['Web', 'モバイル', 'Desktop', 'API'])}`);
  for (let left = plan.items; left > 0;) {
    const topic = scope.random.pick(TOPICS);
    const isAlone = scope.random.chance(singleShare(plan));
    const size = isAlone ? 1 : Math.min(left, scope.random.whole(2, 2 * plan.clusterSize - 2));
    const ids: string[] = [];
    for (let count = 0; count < size; count++) ids.push(yield* writeItem(scope, topic));
    if (isAlone) yield* scope.unclustered.add(...ids);
    else yield* writeCluster(scope, topic, ids);
    left -= size;
  }
  yield* writeClusterJobs(scope, 3 + Math.floor(plan.items / 500), plan.locked && index === 0);
  for (const rest of [scope.created, scope.unclustered, scope.clusters, ...sources.values()]) yield* rest.rest();
}

/** The probability of drawing a single item, so that the share `unclustered` results: other draws take a whole cluster. */
function singleShare({ unclustered, clusterSize }: Plan): number {
  const alone = unclustered;
  const drawn = (1 - unclustered) / clusterSize;
  return alone / (alone + drawn);
}

function scopeOf(plan: Plan, project: string, user: string, sources: Map<string, CollectionWriter>): Scope {
  const { random } = plan;
  const owner = random.pick(['acme', 'initech', 'umbrella-labs']);
  let serial = 0;
  return {
    random,
    writer: plan.writer,
    project,
    user,
    now: plan.now,
    repos: [`${owner}/web.app`, `${owner}/api`].slice(0, random.whole(1, 2)),
    created: collectionWriter(project, 'ZADD', `feedback:created:${project}`),
    unclustered: collectionWriter(project, 'SADD', `feedback:unclustered:${project}`),
    clusters: collectionWriter(project, 'ZADD', `clusters:${project}:all`),
    serial: () => ++serial,
    bySource(source) {
      const known = sources.get(source) ?? collectionWriter(project, 'ZADD', `feedback:source:${project}:${source}`);
      sources.set(source, known);
      return known;
    },
  };
}

/** One key of each kind from before the application had projects, which it still reads. */
function* writeLegacy(random: Random): Generator<Write> {
  const item = random.uuid();
  const clustered = random.uuid();
  const cluster = random.uuid();
  const since = { created_at: '2025-03-01T09:30:00.250000+00:00' };
  for (const id of [item, clustered]) {
    yield hash(null, `feedback:${id}`, { id, source: 'manual', title: 'From before', body: 'Old but kept.', ...since });
  }
  yield createCommand(null, 'ZADD', 'feedback:created', '1740821400.25', item, '1740821400.25', clustered);
  yield createCommand(null, 'SADD', 'feedback:unclustered', item);
  yield hash(null, `cluster:${cluster}`, { id: cluster, title: 'From before', status: 'new', ...since });
  yield createCommand(null, 'SADD', `cluster:items:${cluster}`, clustered);
  yield createCommand(null, 'SADD', 'clusters:all', cluster);
  yield createCommand(null, 'SET', `coding_plan:${cluster}`, JSON.stringify({ cluster_id: cluster, steps: [] }));
  yield createCommand(null, 'SADD', 'github:repos', 'acme/before');
  yield hash(null, 'github:repo:acme/before', {
    owner: 'acme',
    repo: 'before',
    full_name: 'acme/before',
    enabled: 'false',
  });
}
