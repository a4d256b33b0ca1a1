import { writeCluster } from './clusters.js';
import { writeItem } from './items.js';
import { writeLegacy } from './legacy.js';
import { writeClusterJobs, writeProject } from './project.js';
import { seededRandom, type Random } from './random.js';
import { DAY, stampWithin, type Scope } from './scope.js';
import { TOPICS, writer, type Writer } from './wording.js';
import { growing, hash, type Growing, type Write } from './write.js';

export interface WorkspaceOptions {
  readonly projects: number;
  /** Feedback items of each project. About 2.4 keys an item come of it. */
  readonly items: number;
  readonly seed: number;
  /** Milliseconds since the epoch; default the machine's time. The same seed and time give the same data. */
  readonly now?: number;
  /** Default one user for three projects. */
  readonly users?: number;
  /** Items of a cluster on average; default 8. */
  readonly clusterSize?: number;
  /** Share of items in no cluster; default 0.15. */
  readonly unclustered?: number;
  /** Whether the first project is being clustered, its lock held for ten minutes; default true. */
  readonly locked?: boolean;
  /** Whether keys from before there were projects are there as well; default true. */
  readonly legacy?: boolean;
}

interface Plan extends Required<WorkspaceOptions> {
  readonly random: Random;
  readonly writer: Writer;
}

/** All data of a workspace as commands, whole by the application's own rules; nothing of it is held in memory. */
export function* generateWorkspace(options: WorkspaceOptions): Generator<Write> {
  const plan = planOf(options);
  const owners = Array.from({ length: plan.users }, () => plan.random.cuid());
  const owned = owners.map((user) => growing(null, 'SADD', `user:projects:${user}`));
  for (let index = 0; index < plan.projects; index++) {
    const turn = index % plan.users;
    const user = owners[turn] ?? '';
    // An application may give a user's first project the user's own id.
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
  const sources = new Map<string, Growing>();
  const scope = scopeOf(plan, project, user, sources);
  yield* writeProject(scope, `Project ${index + 1} · ${scope.random.pick(['Web', 'モバイル', 'Desktop', 'API'])}`);
  for (let left = plan.items; left > 0;) {
    const topic = scope.random.pick(TOPICS);
    const isAlone = scope.random.chance(loneShare(plan));
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

/** How often an item is drawn alone, so that `unclustered` of all items are: each other draw takes a whole cluster. */
function loneShare({ unclustered, clusterSize }: Plan): number {
  const alone = unclustered;
  const drawn = (1 - unclustered) / clusterSize;
  return alone / (alone + drawn);
}

function scopeOf(plan: Plan, project: string, user: string, sources: Map<string, Growing>): Scope {
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
    created: growing(project, 'ZADD', `feedback:created:${project}`),
    unclustered: growing(project, 'SADD', `feedback:unclustered:${project}`),
    clusters: growing(project, 'ZADD', `clusters:${project}:all`),
    serial: () => ++serial,
    bySource(source) {
      const known = sources.get(source) ?? growing(project, 'ZADD', `feedback:source:${project}:${source}`);
      sources.set(source, known);
      return known;
    },
  };
}
