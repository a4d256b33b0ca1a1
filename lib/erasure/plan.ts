import { openEach, type InspectPorts, type OpenSnapshot } from '../inspect/open.js';
import { gatherFacts, recordsOf, partsWith } from '../inspect/records.js';
import { type Erased, erasedKeys } from '../restore/erased.js';
import { forecast, retentionEntry, type Forecast } from '../retention/forecast.js';
import type { Policy } from '../retention/policy.js';
import { isAmbiguous, lastSnapshotRunsFailed, loadRunSummaries } from '../retention/stored.js';
import { parseReason } from '../snapshot/accept.js';
import { catalog, type FullEntry } from '../snapshot/catalog.js';
import { loadErasuresOf, saveErasure, type Erasure, type OtherErasures } from '../snapshot/erasures.js';
import { assessor } from '../snapshot/latest.js';
import { readPins } from '../snapshot/pins.js';
import { isFoundDamaged, type SnapshotState, type TrustContext } from '../snapshot/trust.js';
import { listFacts, mergeFacts, type FactList } from '../soulcaster/project-scope.js';
import { readingSnapshot, ownedProjects, UnreadableSnapshot, type OwnedProjects } from './owned-projects.js';
import { neededByRestores } from '../snapshot/unfinished-marks.js';
import { loadKeyIndex } from '../snapshot/key-index.js';
import type { Manifest } from '../snapshot/manifest.js';
import { countOf, projectLabel } from '../snapshot/counts.js';
import { buildKey } from '../soulcaster/keys.js';

export type Subject = Pick<Erasure, 'kind' | 'id'>;

/** A snapshot that still holds data of the user or project. */
export interface Holder extends Forecast {
  readonly id: string;
  /** When its keys were read (ISO 8601). */
  readonly takenAt: string;
  readonly state: SnapshotState;
  /** Keys of the user or project in it. */
  readonly keys: number;
  readonly pinned: boolean;
}

export interface ErasurePlan extends Subject {
  /** Projects whose data are erased. */
  readonly projects: readonly string[];
  /** Jobs and clusters of these projects, in the snapshots that name one. */
  readonly jobs: readonly string[];
  readonly clusters: readonly string[];
  /** Of a user: projects that do not belong to the user alone, and are kept. */
  readonly others: OwnedProjects['others'];
  /** Newest first. */
  readonly holders: readonly Holder[];
  /** Why a prune removes nothing now, so that no snapshot has a date; null where it may remove. */
  readonly held: string | null;
  readonly searched: number;
  /** Snapshots that could not be read. */
  readonly skipped: readonly { readonly id: string; readonly why: string }[];
  /** The newest of the snapshots that were read whole, to find keys that belong to the user or project without naming it. */
  readonly readWhole: string | null;
}

/**
 * Finds which snapshots of a store hold data of a user or project, including those of other databases and safety snapshots of
 * restores, and until when the policy keeps each. Reads manifests, key indexes and, whole, every snapshot
 * that names one of the projects. What the erasure list knows of the user or project counts as well. Throws
 * `wrong-key` when no snapshot can be opened because no identity is set, and as `loadErasures` does.
 */
export async function planErasure(
  ports: InspectPorts & { readonly otherErasures?: OtherErasures },
  trust: TrustContext,
  policy: Policy,
  subject: Subject,
): Promise<ErasurePlan> {
  const listed = await loadErasuresOf(ports, subject, ports.otherErasures);
  const { entries, opened, skipped } = await openAllSnapshots(ports);
  for (let left = opened; ;) {
    try {
      const plan = await planBy(left, { entries, listed, ports, trust, policy, subject });
      return { ...plan, skipped };
    } catch (error) {
      // Plan again without the unreadable snapshot: another one is then the newest holder.
      if (!(error instanceof UnreadableSnapshot)) throw error;
      skipped.push({ id: error.id, why: error.cause.message });
      left = left.filter(({ manifest }) => manifest.id !== error.id);
      if (left.length === 0) throw error.cause;
    }
  }
}

interface PlanInput {
  readonly entries: readonly FullEntry[];
  /** The entries of the user or project in the erasure list. */
  readonly listed: readonly Erasure[];
  readonly ports: InspectPorts;
  readonly trust: TrustContext;
  readonly policy: Policy;
  readonly subject: Subject;
}

/** Throws `UnreadableSnapshot` for the first snapshot that cannot be read. */
async function planBy(
  opened: readonly OpenSnapshot[],
  { entries, listed, policy, ports, subject, trust }: PlanInput,
): Promise<Omit<ErasurePlan, 'skipped'>> {
  const newest = await newestHolder(opened, subject);
  const owned: OwnedProjects =
    subject.kind === 'project' ? { own: [subject.id], others: [] } : await ownedProjects(subject.id, opened, newest);
  const erased = await erasedOf(subject, owned.own, listed, opened);
  const pins = await readPins(ports.store);
  const assessed = await assessor({ ...trust, store: ports.store }, entries);
  const { byId, held } = forecast(
    entries.map((entry) => retentionEntry(entry, assessed(entry).state, trust)),
    policy,
    {
      now: ports.clock.now(),
      inUse: await neededByRestores(ports.store),
      pinned: pins,
      lastRunsFailed: lastSnapshotRunsFailed(await loadRunSummaries(ports.store)),
      ambiguous: isAmbiguous(entries, trust),
    },
  );
  const holders: Holder[] = [];
  for (const snapshot of opened) {
    const { id, window } = snapshot.manifest;
    const keys = await readingSnapshot(snapshot, () => countHeld(snapshot, erased));
    const entry = entries.find((each) => each.id === id);
    if (keys === 0 || entry === undefined) continue;
    const { goesAt = null, kept = [] } = byId.get(id) ?? {};
    const { state } = assessed(entry);
    holders.push({ id, takenAt: window.to, state, keys, pinned: pins.has(id), kept, goesAt });
  }
  const { kind, id } = subject;
  return {
    kind,
    id,
    projects: erased.projects,
    jobs: erased.jobs,
    clusters: erased.clusters,
    others: owned.others.filter(({ project }) => !erased.projects.includes(project)),
    holders,
    held,
    searched: opened.length,
    readWhole: newest?.manifest.id ?? null,
  };
}

/** Adds the user or project of a plan to the erasure list. Throws `usage` without a reason. */
export function addErasure(
  ports: Pick<InspectPorts, 'clock' | 'encryptor' | 'store'>,
  { clusters, id, jobs, kind, projects }: ErasurePlan,
  { by, reason }: { readonly by: string; readonly reason: string },
): Promise<Erasure> {
  const at = new Date(ports.clock.now()).toISOString();
  const ids = { projects: [...projects], jobs: [...jobs], clusters: [...clusters] };
  return saveErasure(ports, { kind, id, ...ids, reason: parseReason(reason), at, by });
}

/** Newest first. */
async function openAllSnapshots(ports: InspectPorts) {
  const entries: FullEntry[] = [];
  for await (const entry of catalog(ports.store)) entries.push(entry);
  const damaged = entries
    .filter(isFoundDamaged)
    .map(({ id }) => ({ id, why: 'parts of it are missing or were found damaged' }));
  const { opened, skipped } = openEach(
    ports,
    entries.filter((entry) => !isFoundDamaged(entry)),
  );
  return { entries, opened, skipped: [...damaged, ...skipped] };
}

async function newestHolder(opened: readonly OpenSnapshot[], { kind, id }: Subject): Promise<OpenSnapshot | null> {
  for (const snapshot of opened) {
    const holds =
      kind === 'project'
        ? countNamed(snapshot.manifest, [id]) > 0
        : await readingSnapshot(snapshot, () => mayHold(snapshot, userKeys(id)));
    if (holds) return snapshot;
  }
  return null;
}

/**
 * The jobs and clusters of the projects in all snapshots that name one: a snapshot, or a file made from one, may hold the logs of
 * a job without the job's hash, which alone names the project. `listed`: see PlanInput.
 */
async function erasedOf(
  { kind, id }: Subject,
  own: readonly string[],
  listed: readonly Erasure[],
  opened: readonly OpenSnapshot[],
): Promise<Erased> {
  const projects = [...new Set([own, ...listed.map((entry) => entry.projects)].flat())].sort();
  const found: FactList[] = listed.map((entry) => ({
    jobs: entry.jobs ?? [],
    clusters: entry.clusters ?? [],
    users: [],
  }));
  for (const snapshot of opened) {
    if (countNamed(snapshot.manifest, projects) === 0) continue;
    const all = await readingSnapshot(snapshot, () => gatherFacts(projects, recordsOf(snapshot)));
    found.push(...[...all.values()].map(listFacts));
  }
  const { clusters, jobs } = listFacts(mergeFacts(found));
  return { users: kind === 'user' ? [id] : [], projects, jobs, clusters, facts: [] };
}

/** The number of keys in a snapshot that name the projects, by the counts of its manifest. */
function countNamed({ counts, recipients }: Manifest, projects: readonly string[]): number {
  const nameOf = recipients.length > 0 ? projectLabel : (project: string): string => project;
  return projects.reduce((sum, project) => sum + countOf(counts.byProject, nameOf(project)), 0);
}

/**
 * Counts the keys of an erased user or of erased projects in a snapshot: keys that name a project by the manifest, keys of the user
 * and of the jobs and clusters in `erased` by the key index. A snapshot without an index is read whole.
 */
async function countHeld(snapshot: OpenSnapshot, erased: Erased): Promise<number> {
  const { manifest } = snapshot;
  const index = await loadKeyIndex(snapshot, manifest);
  if (index !== null) {
    const others = [...keysWithoutProject(erased)].filter((name) => index.partsOf(Buffer.from(name)).length > 0);
    return countNamed(manifest, erased.projects) + others.length;
  }
  const keys = erasedKeys(erased);
  let held = 0;
  for await (const { known } of recordsOf(snapshot)) if (keys.has(known)) held += 1;
  return held;
}

/** Keys that belong to the user or a project without naming a project. */
function* keysWithoutProject({ clusters, jobs, users }: Erased): Generator<string> {
  for (const user of users) yield* userKeys(user);
  for (const job of jobs) yield* [buildKey('job', { job }), buildKey('job-logs', { job })];
  for (const cluster of clusters) yield buildKey('cluster-jobs', { cluster });
}

function userKeys(user: string): readonly string[] {
  return [buildKey('user', { user }), buildKey('user-projects', { user })];
}

/** Whether a snapshot may hold any of these keys by its index; always true without an index. */
async function mayHold(snapshot: OpenSnapshot, keys: readonly string[]): Promise<boolean> {
  return (await partsWith(snapshot, keys)).length > 0;
}
