import { compareRecords, type CompareOptions, type Live } from '../../../lib/restore/compare/index.js';
import type { Difference } from '../../../lib/restore/compare/content.js';
import type { TargetRecord } from '../../../lib/restore/model.js';
import type { RedisPort } from '../../../lib/ports/index.js';
import type { RecordLine } from '../../../lib/snapshot/record.js';
import { recordsByKey } from '../../snapshot/lines.js';
import type { SnapshotBench } from '../../support/snapshot-bench.js';

/** A record as all of its lines. */
export type Lines = readonly RecordLine[];

/** The records of a snapshot of what the bench's database holds now. */
export async function snapshotRecords(bench: SnapshotBench, redis?: RedisPort): Promise<Lines[]> {
  const { manifest } = await bench.takeWhole(redis === undefined ? {} : { redis });
  return [...(await recordsByKey(bench, manifest)).values()];
}

/** The records as the one forward stream they come in: who asks for the next one too early, or reads twice, fails. */
export async function* forward(
  records: Iterable<Lines>,
  isExpired: (first: RecordLine) => boolean = () => false,
): AsyncGenerator<TargetRecord> {
  for (const [first, ...lines] of records) {
    if (first === undefined) throw new Error('a record without lines');
    const isOneLine = first.i === undefined;
    const state = { begun: false, ended: isOneLine };
    yield await Promise.resolve({ first, rest: isOneLine ? null : once(lines, state), expired: isExpired(first) });
    if (!state.ended) throw new Error('the next record was asked for before the rest of this one was read');
  }
}

async function* once(lines: Lines, state: { begun: boolean; ended: boolean }): AsyncGenerator<RecordLine> {
  if (state.begun) throw new Error('a rest was read twice');
  state.begun = true;
  for (const line of lines) yield await Promise.resolve(line);
  state.ended = true;
}

export interface Told {
  readonly key: string;
  readonly live: Live;
  readonly difference: Difference | null;
}

/** Compares, and tells a key as JSON shows it. */
export async function compared(
  redis: RedisPort,
  records: Iterable<Lines> | AsyncIterable<TargetRecord>,
  options: Partial<CompareOptions> = {},
): Promise<Told[]> {
  const source = Symbol.asyncIterator in records ? records : forward(records);
  const told: Told[] = [];
  const all = { inFlight: 3, fieldExpiry: false, now: Date.now, signal: new AbortController().signal, ...options };
  for await (const { record, live, difference } of compareRecords(redis, source, all)) {
    told.push({ key: JSON.stringify(record.first.k), live, difference });
  }
  return told;
}

/** Those that are not equal, by key. */
export function unequal(told: readonly Told[]): Record<string, string> {
  return Object.fromEntries(
    told.filter(({ live }) => live !== 'equal').map(({ key, live, difference }) => [key, difference ?? live]),
  );
}
