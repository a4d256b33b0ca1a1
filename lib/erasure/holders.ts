import { recordsOf, partsWith } from '../inspect/records.js';
import type { OpenSnapshot } from '../inspect/open.js';
import { erasedKeys, type Erased } from '../restore/erased.js';
import { loadKeyIndex } from '../snapshot/key-index.js';
import type { Manifest } from '../snapshot/manifest.js';
import { projectLabel } from '../snapshot/project-label.js';
import { buildKey } from '../soulcaster/keys.js';

/** Keys of the projects in a snapshot that name them, as its manifest counts them. */
export function keysNamed({ counts, recipients }: Manifest, projects: readonly string[]): number {
  const nameOf = recipients.length > 0 ? projectLabel : (project: string): string => project;
  return projects.reduce((sum, project) => sum + (counts.byProject[nameOf(project)] ?? 0), 0);
}

/**
 * How many keys of an erased user or of erased projects a snapshot holds: those that name a project by the manifest, those of the
 * user and of jobs and clusters that `erased` knows by the key index. One without an index is read whole.
 */
export async function countHeld(snapshot: OpenSnapshot, erased: Erased): Promise<number> {
  const { manifest } = snapshot;
  const index = await loadKeyIndex(snapshot, manifest);
  if (index !== null) {
    const there = [...namesBeside(erased)].filter((name) => index.partsOf(Buffer.from(name)).length > 0);
    return keysNamed(manifest, erased.projects) + there.length;
  }
  const keys = erasedKeys(erased);
  let held = 0;
  for await (const { known } of recordsOf(snapshot)) if (keys.has(known)) held += 1;
  return held;
}

/** Keys that belong to the user or a project without naming a project. */
function* namesBeside({ facts, users }: Erased): Generator<string> {
  for (const user of users) yield* userKeys(user);
  for (const { clusters, jobs } of facts) {
    for (const job of jobs) yield* [buildKey('job', { job }), buildKey('job-logs', { job })];
    for (const cluster of clusters) yield buildKey('cluster-jobs', { cluster });
  }
}

export function userKeys(user: string): readonly string[] {
  return [buildKey('user', { user }), buildKey('user-projects', { user })];
}

/** Whether a snapshot may hold any of these keys: by its index or, without one, always. */
export async function mayHold(snapshot: OpenSnapshot, keys: readonly string[]): Promise<boolean> {
  return (await partsWith(snapshot, keys)).length > 0;
}
