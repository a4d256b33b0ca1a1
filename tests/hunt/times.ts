import type { PlainEntry } from '../support/plain-dump.js';

/** The time, by the machine's clock in milliseconds, in which something happened: what expires in it may be seen or not. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** What a dump may be late by. */
const MARGIN_MS = 5;

/** The same window for a process whose clock was ahead, or behind. */
export function skewed({ from, to }: Window, skewMs: number): Window {
  return { from: from + Math.min(0, skewMs), to: to + Math.max(0, skewMs) };
}

const isDueIn = (time: string, { to }: Window): boolean => BigInt(time) <= BigInt(to + MARGIN_MS);

/** Whether the key's time was over before. */
export function isOver({ expiresAt }: PlainEntry, { from }: Window): boolean {
  return expiresAt !== null && BigInt(expiresAt) < BigInt(from);
}

/** Whether nobody can say if the key is to be there. */
export function isOpen(entry: PlainEntry | undefined, window: Window): boolean {
  return entry?.expiresAt != null && isDueIn(entry.expiresAt, window);
}

/** Whether the two are the same to the last digit, but for fields whose time came meanwhile. */
export function agree(a: PlainEntry | undefined, b: PlainEntry | undefined, window: Window): boolean {
  if (isOpen(a, window) || isOpen(b, window)) return true;
  const due = new Set<string>();
  for (const entry of [a, b])
    for (const [field, time] of Object.entries(entry?.fields ?? {})) if (isDueIn(time, window)) due.add(field);
  return same(without(a, due), without(b, due));
}

/** The entry as it is when these fields are gone; undefined when nothing is left of it. */
function without(entry: PlainEntry | undefined, due: ReadonlySet<string>): PlainEntry | undefined {
  if (entry === undefined || due.size === 0 || entry.type !== 'hash') return entry;
  const pairs = (JSON.parse(entry.value) as [string, string][]).filter(([field]) => !due.has(field));
  if (pairs.length === 0) return undefined;
  const left = Object.entries(entry.fields ?? {}).filter(([field]) => !due.has(field));
  const { type, expiresAt } = entry;
  return { type, expiresAt, value: JSON.stringify(pairs), fields: Object.fromEntries(left) };
}

export function same(a: PlainEntry | undefined, b: PlainEntry | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const times = ({ fields }: PlainEntry): string => JSON.stringify(Object.entries(fields ?? {}).sort());
  return a.type === b.type && a.value === b.value && a.expiresAt === b.expiresAt && times(a) === times(b);
}

/** With all times so much later. */
export function shifted(entry: PlainEntry, ms: bigint): PlainEntry {
  const later = (time: string): string => {
    const sum = BigInt(time) + ms;
    return String(sum > LATEST ? LATEST : sum);
  };
  const fields = Object.entries(entry.fields ?? {}).map(([field, time]) => [field, later(time)]);
  return {
    ...entry,
    expiresAt: entry.expiresAt === null ? null : later(entry.expiresAt),
    ...(fields.length === 0 ? {} : { fields: Object.fromEntries(fields) as Record<string, string> }),
  };
}

/** The last time a key can have. */
const LATEST = 9_223_372_036_854_775_807n;

export function timeless({ type, value }: PlainEntry): PlainEntry {
  return { type, value, expiresAt: null };
}
