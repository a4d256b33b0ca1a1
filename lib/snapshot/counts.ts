import type { Counts } from './manifest.js';
import type { KeyKind, UnpackedIndex } from './part-index.js';

export function noCounts(): Counts {
  return { keys: 0, byType: {}, byFamily: {}, byProject: {} };
}

/** Adds `times` keys of one kind, in place: it is called for every part of a snapshot. Negative takes away. */
export function countKind(counts: Counts, [type, family, project]: KeyKind, times: number): void {
  counts.keys += times;
  bump(counts.byType, type, times);
  bump(counts.byFamily, family, times);
  if (project !== null) bump(counts.byProject, project, times);
}

/** Adds all records that begin in a part, except those on the lines in `without`. */
export function countIndex(counts: Counts, index: UnpackedIndex, without: ReadonlySet<number>): void {
  const perKind = new Uint32Array(index.table.length);
  for (const [at, kind] of index.kinds.entries()) {
    if (!without.has(index.lines[at] ?? -1)) perKind[kind] = (perKind[kind] ?? 0) + 1;
  }
  for (const [kind, times] of perKind.entries()) {
    const known = index.table[kind];
    if (known !== undefined && times > 0) countKind(counts, known, times);
  }
}

/** Adds one table of counts to another, in place. */
export function addCounts(to: Counts, from: Counts): void {
  to.keys += from.keys;
  for (const table of ['byType', 'byFamily', 'byProject'] as const) {
    for (const [name, times] of Object.entries(from[table])) bump(to[table], name, times);
  }
}

/** Whether two tables of counts say the same, whatever the order of their names. */
export function sameCounts(a: Counts, b: Counts): boolean {
  const text = (counts: Counts): string =>
    JSON.stringify([counts.keys, ...[counts.byType, counts.byFamily, counts.byProject].map(sorted)]);
  return text(a) === text(b);
}

function sorted(table: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A project may have any name, `__proto__` too: it must become a property like any other. */
function bump(table: Record<string, number>, name: string, times: number): void {
  const value = (Object.hasOwn(table, name) ? (table[name] ?? 0) : 0) + times;
  Object.defineProperty(table, name, { value, enumerable: true, configurable: true, writable: true });
}
