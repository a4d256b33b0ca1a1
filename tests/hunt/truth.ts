import type { PlainDump, PlainEntry } from '../support/plain-dump.js';
import { isOfProject } from './data.js';
import { filledUp, listIn, merged } from './lists.js';
import type { Command } from './steps.js';
import { agree, isOpen, isOver, same, shifted, timeless, type Window } from './times.js';
import { isBeside, type Known } from './world.js';

export type RestoreStep = Extract<Command, { run: 'restore' | 'dry-run' }>;

const UNSUPPORTED = /^(vectorset|none)$/;
/** Hashes whose `status` says that work is under way, and what it says then. */
const IN_FLIGHT: readonly (readonly [RegExp, RegExp])[] = [
  [/^job:[^:]+$/, /^(running|pending)$/],
  [/^cluster_job:[^:]+:[^:]+$/, /^(running|pending)$/],
  [/^cluster:[^:]+:[^:]+$/, /^fixing$/],
];

/** What is known of a restore besides its options. */
export interface Circumstances {
  readonly known: Known;
  readonly before: PlainDump;
  /** When the command ran, by its own clock. */
  readonly window: Window;
  /** By what `shift` moved the times; 0 for other rules. */
  readonly shiftMs: bigint;
}

export interface Expectation {
  readonly want: PlainDump;
  /** Keys of which nothing exact can be said. */
  readonly isLoose: (key: string) => boolean;
  /** Whether the plan's figures can be computed: nothing is loose. */
  readonly countable: boolean;
  readonly window: Window;
}

/** What has to stand in the database after a restore that says it succeeded, by the words of its options alone. */
export function expectation(step: RestoreStep, circumstances: Circumstances): Expectation {
  const { before, window } = circumstances;
  const { mode, scope, ttl } = step;
  const inScope = (key: string): boolean => scope === 'all' || isOfProject(key, scope);
  const loose = new Set<string>();
  const want: PlainDump = new Map();
  const source = sourceOf(step, circumstances, loose, inScope);
  for (const [key, entry] of before) {
    if (!inScope(key) || mode !== 'replace') want.set(key, entry);
    if (isOpen(entry, window) || UNSUPPORTED.test(entry.type)) loose.add(key);
  }
  let settled = false;
  for (const [key, entry] of source) {
    if (mode !== 'replace' && listIn(key, entry) !== null) continue;
    if (mode === 'missing' && before.has(key)) continue;
    const written = step.run === 'restore' && step.settle ? withoutWork(key, entry) : entry;
    settled ||= written !== entry;
    want.set(key, written);
  }
  const scoped: PlainDump = new Map([...before].filter(([key]) => inScope(key)));
  if (mode === 'merge') merged({ before: scoped, source, want });
  if (mode === 'missing') filledUp({ before: scoped, source, want });
  const isLoose = (key: string): boolean => loose.has(key) || (scope !== 'all' && key.startsWith('user:projects:'));
  const keys = [...want.keys(), ...before.keys()];
  const hasDueFields = [...want.values(), ...before.values()].some(({ fields }) =>
    Object.values(fields ?? {}).some((time) => isOpen({ type: '', value: '', expiresAt: time }, window)),
  );
  const countable = mode === 'replace' && ttl === 'keep' && !settled && !hasDueFields && !keys.some(isLoose);
  return { want, isLoose, countable, window };
}

/** The snapshot's keys of the scope with the times that the rule gives them, without those whose time is over. */
function sourceOf(
  { ttl }: RestoreStep,
  { known, shiftMs, window }: Circumstances,
  loose: Set<string>,
  inScope: (key: string) => boolean,
): PlainDump {
  const source: PlainDump = new Map();
  for (const [key, held] of known.held) {
    // Locks are never restored: who held one is gone. One is in a snapshot where whoever had it could not let go.
    if (!inScope(key) || isBeside(key)) continue;
    const entry = ttl === 'drop' ? timeless(held) : ttl === 'shift' ? shifted(held, shiftMs) : held;
    if (isOver(entry, window)) continue;
    if (isOpen(entry, window)) loose.add(key);
    source.set(key, entry);
  }
  return source;
}

function withoutWork(key: string, entry: PlainEntry): PlainEntry {
  const states = IN_FLIGHT.find(([name]) => name.test(key))?.[1];
  if (states === undefined || entry.type !== 'hash') return entry;
  const pairs = JSON.parse(entry.value) as [string, string][];
  if (!pairs.some(([field, value]) => field === 'status' && states.test(value))) return entry;
  const over = pairs.map(([field, value]) => [field, field === 'status' && states.test(value) ? 'failed' : value]);
  return { ...entry, value: JSON.stringify(over) };
}

/** By what the times of keys were moved, as the first that both sides have shows; null when none does. */
export function shiftSeen(held: PlainDump, after: PlainDump, isCounted: (key: string) => boolean): bigint | null {
  for (const [key, entry] of held) {
    const found = after.get(key);
    if (found === undefined || !isCounted(key)) continue;
    if (entry.expiresAt !== null && found.expiresAt !== null) return BigInt(found.expiresAt) - BigInt(entry.expiresAt);
    for (const [field, time] of Object.entries(entry.fields ?? {})) {
      const now = found.fields?.[field];
      if (now !== undefined) return BigInt(now) - BigInt(time);
    }
  }
  return null;
}

/** Keys that do not stand as they have to, with both sides. */
export function wrongKeys(expected: Expectation, after: PlainDump, touched: ReadonlySet<string>): string[] {
  const { want, isLoose, window } = expected;
  const wrong: string[] = [];
  for (const key of new Set([...want.keys(), ...after.keys()])) {
    if (isLoose(key) || touched.has(key)) continue;
    const [a, b] = [want.get(key), after.get(key)];
    if (!agree(a, b, window)) wrong.push(shown(key, a, b));
  }
  return wrong;
}

export function shown(key: string, a: PlainEntry | undefined, b: PlainEntry | undefined): string {
  const words = (entry: PlainEntry | undefined): string =>
    entry === undefined ? 'absent' : JSON.stringify(entry).slice(0, 400);
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
