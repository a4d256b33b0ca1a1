import type { PlainDump, PlainEntry } from '../support/plain-dump.js';
import { isOfProject } from './data.js';
import type { Command } from './steps.js';
import type { Known } from './world.js';

export type RestoreStep = Extract<Command, { run: 'restore' | 'dry-run' }>;

/** Keys whose time is this near may be there or not. */
const NEAR_MS = 20_000;
const UNSUPPORTED = /^(vectorset|none)$/;
/** What a restore does to jobs that were running, and to collections that modes unite. */
const SETTLED = /^(job:|cluster:|cluster_job:)/;
const UNITED =
  /^(feedback:(created|source|unclustered)|clusters:|cluster:.*:items$|cluster:jobs:|cluster_jobs:|github:repos:|user:projects:)/;

export interface Expectation {
  readonly want: PlainDump;
  /** Keys of which nothing exact can be said. */
  readonly isLoose: (key: string) => boolean;
  /** Whether the times of keys are those of the snapshot. */
  readonly exactTimes: boolean;
  /** Whether the plan's figures can be computed: nothing is loose. */
  readonly countable: boolean;
}

/** What has to stand in the database after a restore that says it succeeded, by the words of its options alone. */
export function expectation(step: RestoreStep, known: Known, before: PlainDump, now: number): Expectation {
  const { mode, scope, ttl } = step;
  const settles = step.run === 'restore' && step.settle;
  const inScope = (key: string): boolean => scope === 'all' || isOfProject(key, scope);
  const want: PlainDump = new Map();
  const loose = new Set<string>();
  for (const [key, entry] of before) {
    if (!inScope(key) || mode !== 'replace') want.set(key, entry);
    if (isNear(entry, now) || UNSUPPORTED.test(entry.type)) loose.add(key);
  }
  for (const [key, entry] of known.held) {
    if (!inScope(key)) continue;
    if (isNear(entry, now)) loose.add(key);
    if (mode === 'missing' && before.has(key)) continue;
    want.set(key, withTtl(entry, ttl));
  }
  const isLoose = (key: string): boolean =>
    loose.has(key) ||
    (settles && SETTLED.test(key)) ||
    (mode !== 'replace' && UNITED.test(key)) ||
    (scope !== 'all' && key.startsWith('user:projects:'));
  const keys = [...want.keys(), ...before.keys()];
  return {
    want,
    isLoose,
    exactTimes: ttl !== 'shift',
    countable: mode === 'replace' && ttl === 'keep' && !keys.some(isLoose),
  };
}

export function isNear(entry: PlainEntry, now: number): boolean {
  const times = [entry.expiresAt, ...Object.values(entry.fields ?? {})];
  return times.some((time) => time !== null && Number(time) < now + NEAR_MS);
}

function withTtl(entry: PlainEntry, rule: RestoreStep['ttl']): PlainEntry {
  if (rule !== 'drop') return entry;
  return { type: entry.type, value: entry.value, expiresAt: null };
}

/** Keys that do not stand as they have to, with both sides. */
export function wrongKeys(
  { want, isLoose, exactTimes }: Expectation,
  after: PlainDump,
  touched: ReadonlySet<string>,
): string[] {
  const wrong: string[] = [];
  for (const key of new Set([...want.keys(), ...after.keys()])) {
    if (isLoose(key) || touched.has(key)) continue;
    const [a, b] = [want.get(key), after.get(key)];
    if (!same(a, b, exactTimes)) wrong.push(shown(key, a, b));
  }
  return wrong;
}

export function same(a: PlainEntry | undefined, b: PlainEntry | undefined, exactTimes = true): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.type !== b.type || a.value !== b.value) return false;
  const times = (entry: PlainEntry): string => JSON.stringify(Object.entries(entry.fields ?? {}).sort());
  if (exactTimes) return a.expiresAt === b.expiresAt && times(a) === times(b);
  return (a.expiresAt === null) === (b.expiresAt === null);
}

export function shown(key: string, a: PlainEntry | undefined, b: PlainEntry | undefined): string {
  const words = (entry: PlainEntry | undefined): string =>
    entry === undefined ? 'absent' : JSON.stringify(entry).slice(0, 200);
  return `${JSON.stringify(key)}: should be ${words(a)}, is ${words(b)}`;
}

export interface Counts {
  readonly write: number;
  readonly overwrite: number;
  readonly same: number;
  readonly remove: number;
}

/** The figures of a plan that leads from `before` to what is wanted. */
export function planOf({ want }: Expectation, before: PlainDump, scope: string): Counts {
  const counts = { write: 0, overwrite: 0, same: 0, remove: 0 };
  const counted = (key: string): boolean => scope === 'all' || isOfProject(key, scope);
  for (const [key, entry] of want) {
    if (!counted(key)) continue;
    const found = before.get(key);
    if (found === undefined) counts.write++;
    else if (same(entry, found)) counts.same++;
    else counts.overwrite++;
  }
  for (const key of before.keys()) if (counted(key) && !want.has(key)) counts.remove++;
  return counts;
}
