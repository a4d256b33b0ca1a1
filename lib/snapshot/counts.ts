import { type Counts, sha256 } from './manifest.js';
import type { KeyKind, UnpackedIndex, PartIndex } from './part-index.js';

export function noCounts(): Counts {
  return { keys: 0, byType: {}, byFamily: {}, byProject: {} };
}

/** Adds `times` keys of one kind, in place: it is called for every part of a snapshot. A negative number subtracts. */
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

/**
 * Whether two tables of counts can be of the same keys, in any order of names: keys of the family `other` in one table may have
 * a family and a project in the other, if a version that knows more key families made it.
 */
export function areCountsCompatible(a: Counts, b: Counts): boolean {
  const ofTypes = [...differencesOf(a.byType, b.byType).values()];
  if (a.keys !== b.keys || ofTypes.some((by) => by !== 0)) return false;
  const families = differencesOf(a.byFamily, b.byFamily);
  const known = -(families.get('other') ?? 0);
  families.delete('other');
  const isOfKnown = (by: number): boolean => by === 0 || Math.sign(by) === Math.sign(known);
  const ofFamilies = [...families.values()];
  const ofProjects = [...differencesOf(a.byProject, b.byProject).values()];
  return (
    [...ofFamilies, ...ofProjects].every(isOfKnown) &&
    sum(ofFamilies) === known &&
    Math.abs(sum(ofProjects)) <= Math.abs(known)
  );
}

/** For each name, the number in `b` minus the number in `a`. */
function differencesOf(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Map<string, number> {
  const found = new Map(Object.entries(a).map(([name, times]) => [name, -times]));
  for (const [name, times] of Object.entries(b)) found.set(name, (found.get(name) ?? 0) + times);
  return found;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** A project may have any name, even `__proto__`: only own properties of the table count. */
export function countOf(table: Readonly<Record<string, number>>, name: string): number {
  return Object.hasOwn(table, name) ? (table[name] ?? 0) : 0;
}

/** Defines the property, so that assigning `__proto__` does not set the prototype. */
function bump(table: Record<string, number>, name: string, times: number): void {
  const value = countOf(table, name) + times;
  Object.defineProperty(table, name, { value, enumerable: true, configurable: true, writable: true });
}

const DIGITS = 16;

/** Replaces a project's id beside encrypted parts: `sha256:` and the first 16 hex digits of the id's SHA-256. */
export function projectLabel(project: string): string {
  return `sha256:${sha256(project).slice(0, DIGITS)}`;
}

/** A part's index for storing and counting: beside an encrypted part, projects are labels, not names. */
export function labelProjects(index: PartIndex, suffix: '' | '.age'): PartIndex {
  if (suffix === '') return index;
  const table = index.table.map(([type, family, project]): PartIndex['table'][number] => [
    type,
    family,
    project === null ? null : projectLabel(project),
  ]);
  return { ...index, table };
}
