import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Manifest } from '../../lib/snapshot/manifest.js';
import type { RecordLine, RecordValue } from '../../lib/snapshot/record.js';
import type { SnapshotBench } from '../support/snapshot-bench.js';

export interface StoredLine extends RecordLine {
  readonly part: number;
  readonly number: number;
}

/** All lines of a snapshot's parts as they lie in the folder, doubles among them. */
export async function storedLines(bench: SnapshotBench, manifest: Manifest): Promise<StoredLine[]> {
  const lines: StoredLine[] = [];
  for (const [part, { name }] of manifest.parts.entries()) {
    const stored = await readFile(join(bench.folder.folder, 'snapshots', manifest.id, name));
    const texts = gunzipSync(stored).toString('utf8').split('\n').slice(0, -1);
    texts.forEach((text, number) => lines.push({ ...(JSON.parse(text) as RecordLine), part, number }));
  }
  return lines;
}

/** The records that count, by key, each as its lines: a key that has two fails the caller. */
export async function recordsByKey(bench: SnapshotBench, manifest: Manifest): Promise<Map<string, StoredLine[]>> {
  const passedOver = new Set(manifest.doubles.map(({ part, line }) => `${part} ${line}`));
  const records = new Map<string, StoredLine[]>();
  let open: StoredLine[] | null = null;
  for (const line of await storedLines(bench, manifest)) {
    if (line.i === undefined || line.i === 0) {
      const key = JSON.stringify(line.k);
      open = passedOver.has(`${line.part} ${line.number}`) ? null : [];
      if (open !== null && records.has(key)) throw new Error(`two records of ${key}`);
      if (open !== null) records.set(key, open);
    }
    open?.push(line);
  }
  return records;
}

/**
 * A record without where it lies, how it was cut and when its pending entries were delivered, which Redis tells in
 * milliseconds before the request: what two snapshots of the same data agree in.
 */
export function contents(records: ReadonlyMap<string, readonly StoredLine[]>): [string, unknown][] {
  return [...records]
    .map(([key, lines]): [string, unknown] => [key, lines.map(({ t, x, v, fx }) => ({ t, x, v: undated(v), fx }))])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function undated(value: RecordValue): RecordValue {
  if (typeof value !== 'object' || !('groups' in value)) return value;
  const groups = (value.groups ?? []).map((group) => ({
    ...group,
    pending: group.pending.map(([id, consumer, , deliveries]) => [id, consumer, 0, deliveries] as const),
  }));
  return { ...value, groups };
}
