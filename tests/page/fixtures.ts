import type { ListedSnapshot, ProjectList, ProjectRow, SnapshotList } from '../../page/api/types.js';

/** The moment at which all of this is seen. */
export const NOW = Date.parse('2026-11-24T03:12:00Z');
export const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

export function at(agoMs: number): string {
  return new Date(NOW - agoMs).toISOString();
}

export function idAt(agoMs: number, tail = 'x7k2m9'): string {
  return `${at(agoMs).replace(/[-:]/g, '').slice(0, 15)}Z-${tail}`;
}

export function snapshotAt(days: number, changes: Partial<ListedSnapshot> = {}): ListedSnapshot {
  const createdAt = at(days * DAY + 72 * MINUTE);
  const keys = 21_400 - days * 310 + (days % 3) * 70;
  return {
    id: idAt(days * DAY + 72 * MINUTE),
    state: 'complete',
    purpose: 'backup',
    trust: 'trusted',
    reasons: [],
    source: 'a1b2c3d4',
    label: 'production',
    own: true,
    verification: { state: 'verified', at: createdAt, depth: 'lines' },
    keys,
    parts: 4,
    plainBytes: keys * 2600,
    storedBytes: keys * 420 + (days % 4) * 90_000,
    failed: 0,
    unsupported: 0,
    unexplained: 0,
    encrypted: false,
    createdAt,
    window: { from: createdAt, to: createdAt },
    readBackAt: createdAt,
    kept: days === 0 ? ['newest-verified', 'last', 'daily'] : ['daily'],
    goesAt: at(-(30 - days) * DAY),
    pinned: false,
    ...changes,
  };
}

export function snapshotList(): SnapshotList {
  const snapshots = Array.from({ length: 24 }, (_, days) => snapshotAt(days));
  snapshots[9] = snapshotAt(9, {
    verification: { state: 'damaged', at: at(8 * DAY), depth: 'lines' },
    reasons: [`found damaged at ${at(8 * DAY)}: missing part-00002.jsonl.gz`],
  });
  snapshots[4] = snapshotAt(4, {
    state: 'incomplete',
    failed: 12,
    verification: null,
    reasons: ['it lacks 12 keys that could not be saved'],
  });
  const safety = snapshotAt(2, { purpose: 'safety', id: idAt(30 * HOUR, 'k2m9x7'), createdAt: at(30 * HOUR) });
  return { snapshots: [...snapshots.slice(0, 2), safety, ...snapshots.slice(2)], more: false };
}

export const HOSTILE = '<img src=x onerror=alert(1)>';

function project(id: string, items: number, changes: Partial<ProjectRow> = {}): ProjectRow {
  const model = { name: 'gemini-embedding-001', dimensions: 768, provenAt: at(3 * HOUR) };
  return { project: id, name: null, keys: items * 3 + 40, items, vectors: items, pending: 0, model, ...changes };
}

export function projectList(): ProjectList {
  return {
    snapshot: idAt(72 * MINUTE),
    projects: [
      project('cm3k8x2p40001l508acme', 2410, { name: 'Acme API' }),
      project('cm4b7e1q90002mh08beta', 1876, { name: 'Beta mobile', vectors: 1790 }),
      project(HOSTILE, 12),
      project('cm5z0w6r20003ns08gone', 0, { items: 0, vectors: 96, keys: 640, model: null }),
      project('cm6t2y8u50004pk08new', 31, { name: 'New one', keys: 0, vectors: 20, pending: 11, model: null }),
    ],
    store: 'ok',
    redis: 'ok',
    vectors: 'ok',
  };
}

/** As many snapshots, some of each kind of worth. */
export function manySnapshots(count: number): SnapshotList {
  const doubts = ['the database had lost most of its keys: 3 of 21,400'];
  const snapshots = Array.from({ length: count }, (_, days) => {
    if (days % 9 === 3) return snapshotAt(days, { trust: 'doubtful', reasons: doubts, pinned: true });
    if (days % 9 === 5) return snapshotAt(days, { own: false, trust: 'foreign', label: 'a label that is rather long' });
    return snapshotAt(days, { keys: 20_000 });
  });
  return { snapshots, more: true };
}

/** Projects whose names are markup, run from right to left, or are as long as they may be. */
export function oddProjects(): ProjectList {
  const long = 'A name of two hundred characters without end '.repeat(5).slice(0, 200);
  return {
    ...projectList(),
    redis: 'partly',
    vectors: 'unavailable',
    projects: [
      project('markup', 12, { name: HOSTILE }),
      project('rtl', 12, { name: 'مشروع التجربة (api)' }),
      project('long', 12, { name: long }),
      project('x'.repeat(200), 12, { keys: null, items: null, vectors: null, pending: null, model: null }),
    ],
  };
}

const TALLY = { write: 60, overwrite: 4, unite: 0, fail: 0, same: 312, keep: 0, blocked: 0, expired: 0, remove: 1 };
const NONE = { ...TALLY, write: 0, overwrite: 0, remove: 0 };

/** The result of a dry run of the project. */
export const PLAN = {
  total: TALLY,
  byFamily: { feedback: { ...TALLY, same: 200 }, cluster: { ...NONE, same: 100 }, project: { ...NONE, same: 12 } },
  examples: [{ action: 'remove', key: 'feedback:cm3k8x2p40001l508acme:1f0c' }],
  usersJoined: 1,
};
