import type { Project, ProjectList, Snapshot, SnapshotList } from '../../page/api/types.js';

/** The moment at which all of this is seen. */
export const NOW = Date.parse('2026-11-24T03:12:00Z');
export const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

export function at(agoMs: number): string {
  return new Date(NOW - agoMs).toISOString();
}

export function idAt(agoMs: number, tail = 'x7k2m9'): string {
  return `${at(agoMs).replace(/[-:]/g, '').slice(0, 15)}Z-${tail}`;
}

export function snapshotAt(days: number, changes: Partial<Snapshot> = {}): Snapshot {
  const createdAt = at(days * DAY + 72 * MINUTE);
  const keys = 21_400 - days * 310 + (days % 3) * 70;
  return {
    id: idAt(days * DAY + 72 * MINUTE),
    state: 'complete',
    purpose: 'backup',
    verification: { state: 'verified', at: createdAt, depth: 'lines' },
    keys,
    parts: 4,
    plainBytes: keys * 2600,
    storedBytes: keys * 420 + (days % 4) * 90_000,
    failed: 0,
    encrypted: false,
    createdAt,
    readBackAt: createdAt,
    ...changes,
  };
}

export function snapshotList(): SnapshotList {
  const snapshots = Array.from({ length: 24 }, (_, days) => snapshotAt(days));
  snapshots[9] = snapshotAt(9, { verification: { state: 'damaged', at: at(8 * DAY), depth: 'lines' } });
  snapshots[4] = snapshotAt(4, { state: 'incomplete', failed: 12, verification: null });
  const safety = snapshotAt(2, { purpose: 'safety', id: idAt(30 * HOUR, 'k2m9x7'), createdAt: at(30 * HOUR) });
  return { snapshots: [...snapshots.slice(0, 2), safety, ...snapshots.slice(2)], more: false };
}

export const HOSTILE = '<img src=x onerror=alert(1)>';

function project(name: string, items: number, changes: Partial<Project> = {}): Project {
  return { project: name, keys: items * 3 + 40, items, vectors: items, pending: 0, ...changes };
}

export function projectList(): ProjectList {
  return {
    snapshot: idAt(72 * MINUTE),
    projects: [
      project('cm3k8x2p40001l508acme', 2410),
      project('cm4b7e1q90002mh08beta', 1876, { vectors: 1790 }),
      project(HOSTILE, 12),
      project('cm5z0w6r20003ns08gone', 0, { items: 0, vectors: 96, keys: 640 }),
      project('cm6t2y8u50004pk08new', 31, { keys: null, vectors: 20, pending: 11 }),
    ],
    store: 'ok',
    redis: 'ok',
    vectors: 'ok',
  };
}
